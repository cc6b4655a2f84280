/** What a terminal's exit code says to the script that started it. `--help` of each terminal prints the same. */
export const EXIT = {
  /** Nothing of its own was left unsettled. */
  SETTLED: 0,
  /** Stopped while something of its own was not settled yet. */
  UNSETTLED: 1,
  /** The command line or a setting is wrong; nothing was started. */
  USAGE: 2,
  /** The hub refuses this client for good: a wrong token, a missing permission. */
  REFUSED: 3,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
