import type { Database, Statement } from "better-sqlite3";
import { sizeOf } from "../../queue/message";
import { contentCheck, type Content } from "./content-check";

/** A message that has a row of its own, with its content. */
export interface MessageRow extends Content {
  readonly seq: number;
  readonly queueNo: number;
  readonly dueAt: number | null;
  /** 1 where `dueAt` is a time of day. */
  readonly isDueFixed: number | null;
  readonly expiresAt: number | null;
}

/** How a message stands that was given out. */
export interface Attempted {
  readonly attempts: number;
  readonly failures: number;
  readonly error: string | null;
}

const NEVER_ATTEMPTED: Attempted = { attempts: 0, failures: 0, error: null };

/** Writes messages as rows of their own. */
export class MessageRows {
  private readonly statement: Statement;

  constructor(database: Database) {
    this.statement = database.prepare(
      `INSERT INTO messages (seq, queue, priority, bytes, due_at, due_fixed, expires_at, body, attempts, failures, id, event, payload, grp, headers, publisher, published_at, error, content_check)
       VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
  }

  insert(row: MessageRow, { attempts, failures, error } = NEVER_ATTEMPTED): void {
    const { seq, queueNo, priority, id, event, payload, group, headers, publisher, publishedAt } = row;
    this.statement.run(
      seq,
      queueNo,
      priority,
      bytesOf(row),
      row.dueAt,
      row.isDueFixed,
      row.expiresAt,
      attempts,
      failures,
      id,
      event,
      payload,
      group,
      headers,
      publisher,
      publishedAt,
      error,
      contentCheck(row),
    );
  }
}

/** What a message costs in memory, as `sizeOf` counts. */
export function bytesOf({ payload, id, headers }: Pick<Content, "payload" | "id" | "headers">): number {
  return sizeOf({ payload, id, headers: headers ?? undefined });
}
