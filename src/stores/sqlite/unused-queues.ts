import type { Database } from "better-sqlite3";

export interface QueueLimits {
  /** Queues and rooms that may exist. */
  readonly maxQueues: number;
  /** Queues and rooms that one client may make. */
  readonly maxQueuesPerClient: number;
}

/**
 * What a queue or room is needed for, besides the ids that are remembered of it: what waits in it or died in it, who is in
 * it, what is counted of it, and up to where its history is gone, without which a gap could not be told.
 */
const USES = [
  "SELECT DISTINCT queue FROM messages WHERE due_at IS NULL",
  "SELECT DISTINCT queue FROM messages WHERE due_at IS NOT NULL",
  "SELECT DISTINCT queue FROM dead",
  "SELECT DISTINCT room FROM bodies",
  "SELECT DISTINCT room FROM members",
  "SELECT DISTINCT inbox FROM members",
  "SELECT no FROM queues WHERE trimmed_to > 0 OR expired > 0 OR purged > 0",
  // Numbers are counted up from the newest, and none is given twice.
  "SELECT max(no) FROM queues",
];

/**
 * Forgets queues and rooms that hold nothing, once they are half as many as there may be, or as one client may make. For a
 * start: nobody is about to use one.
 *
 * @param alsoUsed numbers of those that are needed for something else.
 * @returns how many were forgotten.
 */
export function forgetUnusedQueues(
  database: Database,
  { maxQueues, maxQueuesPerClient }: QueueLimits,
  alsoUsed: () => Iterable<number>,
): number {
  const numbers = (sql: string): number[] => database.prepare(sql).pluck().all() as number[];
  const [all = 0] = numbers("SELECT count(*) FROM queues");
  const [ofOne = 0] = numbers("SELECT count(*) FROM queues GROUP BY creator ORDER BY 1 DESC LIMIT 1");
  if (all < maxQueues / 2 && ofOne < maxQueuesPerClient / 2) return 0;
  const used = new Set([...USES.flatMap(numbers), ...alsoUsed()]);
  const forget = database.prepare("DELETE FROM queues WHERE no = ?");
  const unused = numbers("SELECT no FROM queues").filter((no) => !used.has(no));
  for (const no of unused) forget.run(no);
  return unused.length;
}
