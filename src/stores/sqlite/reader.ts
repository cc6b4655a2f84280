import type { Database, Statement } from "better-sqlite3";
import { sizeOf, type QueueAddress } from "../../queue/message";
import type { ExpiredRow, Snapshot } from "../ledger/journal";
import { MESSAGE_CELLS, packMessage, type Calls } from "./calls";
import type { LeaseMarks } from "./lease-marks";
import { messageCells, type SqlCell } from "./message-cells";
import { Packer, type Packed } from "./packed";

/** A message's cells, with the content of a room's message where it is one's copy. */
const MESSAGE = `
  m.seq, m.queue, m.priority, m.expires_at, m.body, m.attempts, m.failures,
  coalesce(m.id, b.id), coalesce(m.event, b.event), coalesce(m.payload, b.payload), coalesce(m.grp, b.grp),
  coalesce(m.headers, b.headers), coalesce(m.publisher, b.publisher), coalesce(m.published_at, b.published_at), coalesce(m.room, r.address)`;
const MESSAGES = "messages m LEFT JOIN bodies b ON b.seq = m.body AND m.body <> 0 LEFT JOIN queues r ON r.no = b.room";

/** Reads messages back, and marks what thereby may go out. */
export class Reader {
  private readonly pageRows: Statement;
  private readonly dueRows: Statement;
  private readonly makeReady: Statement;
  private readonly nextDue: Statement;
  private readonly expiredRows: Statement;
  private readonly nextExpiry: Statement;

  constructor(
    private readonly database: Database,
    private readonly marks: LeaseMarks,
  ) {
    this.pageRows = database
      .prepare(
        `SELECT ${MESSAGE} FROM ${MESSAGES} WHERE m.queue = ? AND m.priority = ? AND m.due_at IS NULL AND m.seq > ? ORDER BY m.seq LIMIT ?`,
      )
      .raw();
    this.dueRows = database
      .prepare(`SELECT ${MESSAGE} FROM ${MESSAGES} WHERE m.due_at <= ? ORDER BY m.due_at LIMIT ?`)
      .raw();
    this.makeReady = database.prepare("UPDATE messages SET due_at = NULL WHERE seq = ?");
    this.nextDue = database.prepare("SELECT min(due_at) FROM messages WHERE due_at IS NOT NULL").pluck();
    this.expiredRows = database.prepare(
      `SELECT m.seq, m.queue AS queueNo, m.priority, m.body, coalesce(m.grp, b.grp) AS grp, m.due_at IS NOT NULL AS delayed
       FROM messages m LEFT JOIN bodies b ON b.seq = m.body AND m.body <> 0 WHERE m.expires_at <= ? ORDER BY m.expires_at LIMIT ?`,
    );
    this.nextExpiry = database.prepare("SELECT min(expires_at) FROM messages WHERE expires_at > ?").pluck();
  }

  page({ queueNo, priority, afterSeq, limit, limitBytes }: Calls["page"][0]): Packed {
    const packer = new Packer(limit * MESSAGE_CELLS);
    let bytes = 0;
    let last = 0;
    const rows = this.pageRows.iterate(queueNo, priority, afterSeq, limit) as IterableIterator<SqlCell[]>;
    for (const row of rows) {
      const cells = messageCells(row);
      packMessage(packer, cells);
      const [seq, , , , , , , id, , payload, , headers] = cells;
      last = seq;
      bytes += sizeOf({ id, payload, headers: headers ?? undefined });
      if (bytes >= limitBytes) break;
    }
    if (last > 0) this.marks.raise(queueNo, priority, last);
    return packer.pack();
  }

  due({ now, limit }: Calls["due"][0]): Calls["due"][1] {
    const rows = this.dueRows.all(now, limit) as SqlCell[][];
    const packer = new Packer(rows.length * MESSAGE_CELLS);
    for (const row of rows) {
      const cells = messageCells(row);
      packMessage(packer, cells);
      const [seq, queueNo, priority] = cells;
      this.makeReady.run(seq);
      this.marks.raise(queueNo, priority, seq);
    }
    return { messages: packer.pack(), next: numberOrNone(this.nextDue.get()) };
  }

  expired({ now, limit }: Calls["expired"][0]): Calls["expired"][1] {
    const found = this.expiredRows.all(now, limit) as (Omit<ExpiredRow, "group" | "delayed"> & {
      grp: string | null;
      delayed: number;
    })[];
    const rows = found.map(({ grp, delayed, ...row }): ExpiredRow => ({
      ...row,
      group: grp ?? undefined,
      delayed: delayed === 1,
    }));
    const next = rows.length === limit ? now : numberOrNone(this.nextExpiry.get(now));
    return { rows, next };
  }

  snapshot(): Snapshot {
    const all = <Row>(sql: string): Row[] => this.database.prepare(sql).all() as Row[];
    const one = (sql: string): unknown => this.database.prepare(sql).pluck().get();
    const delayed = countByQueue(
      all("SELECT queue, count(*) AS count FROM messages WHERE due_at IS NOT NULL GROUP BY queue"),
    );
    const dead = countByQueue(all("SELECT queue, count(*) AS count FROM dead GROUP BY queue"));
    const queues = all<{ no: number; address: string; expired: number }>(
      "SELECT no, address, expired FROM queues ORDER BY no",
    );
    return {
      lastSeq: Number(one("SELECT value FROM meta WHERE key = 'last_seq'")),
      queues: queues.map(({ no, address, expired }) => ({
        no,
        address: address as QueueAddress,
        delayed: delayed.get(no) ?? 0,
        dead: dead.get(no) ?? 0,
        expired,
      })),
      lanes: all(
        "SELECT queue AS queueNo, priority, count(*) AS count FROM messages WHERE due_at IS NULL GROUP BY queue, priority",
      ),
      members: all("SELECT room AS roomNo, inbox AS inboxNo FROM members"),
      groupHolders: all(
        `SELECT m.queue AS queueNo, coalesce(m.grp, b.grp) AS "group", m.seq FROM messages m LEFT JOIN bodies b ON b.seq = m.body AND m.body <> 0
         WHERE m.due_at IS NOT NULL AND m.attempts > 0 AND coalesce(m.grp, b.grp) IS NOT NULL`,
      ),
      nextDue: numberOrNone(this.nextDue.get()),
      nextExpiry: numberOrNone(one("SELECT min(expires_at) FROM messages WHERE expires_at IS NOT NULL")),
    };
  }
}

function countByQueue(rows: readonly { queue: number; count: number }[]): Map<number, number> {
  return new Map(rows.map(({ queue, count }) => [queue, count]));
}

function numberOrNone(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
