import Database from "better-sqlite3";
import { systemClock } from "../../src/queue/clock";
import type { Post } from "../../src/stores/sqlite/calls";
import { Committer } from "../../src/stores/sqlite/committer";
import { SqliteFile, type FileSettings } from "../../src/stores/sqlite/sqlite-file";

const SETTINGS: FileSettings = {
  dedupWindowMs: 600_000,
  dedupMaxIds: 1_000_000,
  historyMessages: 0,
  historyMs: 0,
  maxEndings: 100_000,
  maxQueues: 1_000,
  maxQueuesPerClient: 1_000,
};

/**
 * Has posts to a storage thread carried out again, by the same code, one transaction each, where every statement can be
 * seen.
 *
 * @returns how often each kind of statement ran, such as `INSERT messages`.
 */
export function statementsOf(posts: readonly Post[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  let counting = false;
  const count = (sql: unknown): void => {
    if (!counting) return;
    const kind = kindOf(String(sql));
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  };
  const database = new Database(":memory:", { verbose: count });
  const committer = new Committer(SqliteFile.on(database, SETTINGS, systemClock), () => undefined);
  counting = true;
  try {
    for (const post of posts) {
      const { answer } = committer.commit(post);
      if (!("results" in answer))
        throw new Error(`the posts could not be carried out again: ${JSON.stringify(answer)}`);
    }
  } finally {
    database.close();
  }
  return counts;
}

/** Its verb, and the first table that it names. */
function kindOf(sql: string): string {
  const verb = /\w+/.exec(sql)?.[0] ?? "";
  const table = /\b(?:INTO|FROM|UPDATE) (\w+)/.exec(sql)?.[1] ?? "";
  return `${verb} ${table}`.trim();
}
