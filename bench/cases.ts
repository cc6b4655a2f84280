/** What else may be there beside the messages that a bench measures. */
export interface Case {
  readonly title: string;
  readonly queues: number;
  /** Messages that are there before. */
  readonly filled?: { readonly messages: number; readonly delayMs?: number };
}

/** Options of the command line: how many queues there are, and how much is in them before. */
export const CASE_OPTIONS = {
  queues: { type: "string", default: "10000" },
  waiting: { type: "string", default: "1000000" },
  delayed: { type: "string", default: "100000" },
} as const;

const HOUR_MS = 3_600_000;

/** The cases that the options ask for. The first has nothing else in it: the others are measured by it. */
export function casesOf({ queues, waiting, delayed }: Record<keyof typeof CASE_OPTIONS, string>): readonly Case[] {
  return [
    { title: "one queue, empty", queues: 1 },
    { title: `${queues} queues, empty`, queues: Number(queues) },
    { title: `one queue, ${waiting} waiting`, queues: 1, filled: { messages: Number(waiting) } },
    { title: `one queue, ${delayed} delayed`, queues: 1, filled: { messages: Number(delayed), delayMs: HOUR_MS } },
  ];
}
