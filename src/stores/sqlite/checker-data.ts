/** What a check and its thread share. */
export interface CheckerData {
  /** Of the main file, which stands still. */
  readonly fd: number;
  /** Two numbers: whether to stop, and how many commits there were. */
  readonly shared: SharedArrayBuffer;
}

/** Places of the two. */
export const STOP = 0;
export const COMMITS = 1;
