import type { Database, Statement } from "better-sqlite3";
import { PRIORITIES } from "../../queue/message";

export interface StoredMarks {
  /** The highest of all lanes. */
  readonly newest: number;
  /** Up to which seq the messages of a lane may have been leased. */
  of(queueNo: number, priority: number): number;
}

/**
 * Up to which seq the messages of each lane may have been leased. A lease itself is not written; instead, a message
 * is marked in the commit that stores it or pages it in, before it can go out. After a crash an attempt is counted for
 * everything marked, so that no `(id, attempt)` is ever given twice.
 */
export class LeaseMarks {
  private readonly written = new Map<number, number>();
  private readonly raised = new Map<number, number>();
  private readonly upsert: Statement;
  private readonly all: Statement;
  private readonly count: Statement;
  private readonly deleteAll: Statement;

  constructor(database: Database) {
    this.upsert = database.prepare(
      "INSERT INTO leased_upto (queue, priority, seq) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq",
    );
    this.all = database.prepare("SELECT queue, priority, seq FROM leased_upto").raw();
    this.count = database.prepare(
      "UPDATE messages SET attempts = attempts + 1 WHERE queue = ? AND priority = ? AND due_at IS NULL AND seq <= ?",
    );
    this.deleteAll = database.prepare("DELETE FROM leased_upto");
  }

  /** Says that a lane's messages up to this seq may be leased once the transaction is committed. */
  raise(queueNo: number, priority: number, seq: number): void {
    const lane = queueNo * PRIORITIES + priority;
    if (seq <= (this.written.get(lane) ?? 0) || seq <= (this.raised.get(lane) ?? 0)) return;
    this.raised.set(lane, seq);
  }

  /** Writes what was raised: last in a transaction. */
  write(): void {
    for (const [lane, seq] of this.raised) this.upsert.run(Math.floor(lane / PRIORITIES), lane % PRIORITIES, seq);
  }

  /** The transaction was committed. */
  keep(): void {
    for (const [lane, seq] of this.raised) this.written.set(lane, seq);
    this.raised.clear();
  }

  /** The transaction was rolled back. */
  forget(): void {
    this.raised.clear();
  }

  /** As the file has them. */
  readAll(): StoredMarks {
    const rows = this.all.all() as [number, number, number][];
    const marks = new Map(rows.map(([queueNo, priority, seq]) => [queueNo * PRIORITIES + priority, seq]));
    return {
      newest: rows.reduce((newest, [, , seq]) => Math.max(newest, seq), 0),
      of: (queueNo, priority) => marks.get(queueNo * PRIORITIES + priority) ?? 0,
    };
  }

  /** Counts an attempt for all rows that are marked, and starts anew. */
  countAttempts(): void {
    for (const [queueNo, priority, seq] of this.all.all() as [number, number, number][])
      this.count.run(queueNo, priority, seq);
    this.clear();
  }

  clear(): void {
    this.deleteAll.run();
    this.written.clear();
    this.raised.clear();
  }
}
