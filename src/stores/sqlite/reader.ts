import { crc32 } from "node:zlib";
import type { Database, Statement } from "better-sqlite3";
import type { QueueAddress } from "../../queue/message";
import type { ExpiredRow, LaneCount, Snapshot } from "../ledger/journal";
import {
  CALL_BYTES,
  cellsSize,
  MESSAGE_CELLS,
  packContentText,
  PACKED_CELLS,
  packMessage,
  type Calls,
  type MessageCells,
} from "./calls";
import { CONTENT_TEXT_SQL, readContent } from "./content-check";
import type { BlockedMessage, Blocks } from "./blocks";
import type { LeaseMarks } from "./lease-marks";
import { messageCells, type SqlCell } from "./message-cells";
import { Packer, type Packed } from "./packed";

/** A message's cells, with the content of a room's message where it is one's copy. */
const MESSAGE = `
  m.seq, m.queue, m.priority, m.expires_at, m.body, m.attempts, m.failures,
  coalesce(m.id, b.id), coalesce(m.event, b.event), coalesce(m.payload, b.payload), coalesce(m.grp, b.grp),
  coalesce(m.headers, b.headers), coalesce(m.publisher, b.publisher), coalesce(m.published_at, b.published_at), coalesce(m.room, r.address),
  m.error, coalesce(m.content_check, b.content_check)`;
const MESSAGES = "messages m LEFT JOIN bodies b ON b.seq = m.body AND m.body <> 0 LEFT JOIN queues r ON r.no = b.room";

/** A message of a queue with its content's text; null where it has none of its own, or more to say: a room's, one that failed. */
type PageRow = readonly [
  seq: number,
  content: string | null,
  check: number,
  bytes: number,
  expiresAt: number | null,
  attempts: number,
  failures: number,
];

/** Where the payload is among a message's cells. */
const PAYLOAD_CELL = 9;

/** Reads messages back, and marks what thereby may go out. */
export class Reader {
  private readonly pageRows: Statement;
  private readonly dueRows: Statement;
  private readonly makeReady: Statement;
  private readonly nextDue: Statement;
  private readonly expiredRows: Statement;
  private readonly nextExpiry: Statement;
  private readonly bySeq: Statement;
  private readonly sliceEnd: Statement;
  private readonly slice: Statement;

  constructor(
    private readonly database: Database,
    private readonly marks: LeaseMarks,
    private readonly blocks: Blocks,
  ) {
    // No LIMIT: what it yields is taken until there is enough. To SQLite a limit that is bound is part of the plan, and has
    // it compile the statement anew each time.
    this.pageRows = database
      .prepare(
        `SELECT seq, iif(body = 0 AND room IS NULL AND error IS NULL, ${CONTENT_TEXT_SQL}, NULL), content_check, bytes, expires_at, attempts, failures
         FROM messages WHERE queue = ? AND priority = ? AND due_at IS NULL AND seq > ? ORDER BY seq`,
      )
      .raw();
    this.dueRows = database
      .prepare(`SELECT ${MESSAGE} FROM ${MESSAGES} WHERE m.due_at <= ? ORDER BY m.due_at, m.seq LIMIT ?`)
      .raw();
    this.makeReady = database.prepare("UPDATE messages SET due_at = NULL, due_fixed = NULL WHERE seq = ?");
    this.nextDue = database.prepare("SELECT min(due_at) FROM messages WHERE due_at IS NOT NULL").pluck();
    this.expiredRows = database.prepare(
      `SELECT m.seq, m.queue AS queueNo, m.priority, m.body, coalesce(m.grp, b.grp) AS grp, m.due_at IS NOT NULL AS delayed,
              coalesce(m.id, b.id) AS id, m.attempts, m.failures, m.error, m.bytes
       FROM messages m LEFT JOIN bodies b ON b.seq = m.body AND m.body <> 0 WHERE m.expires_at <= ? ORDER BY m.expires_at LIMIT ?`,
    );
    this.nextExpiry = database.prepare("SELECT min(expires_at) FROM messages WHERE expires_at > ?").pluck();
    this.bySeq = database.prepare(`SELECT ${MESSAGE} FROM ${MESSAGES} WHERE m.seq = ? AND m.due_at IS NULL`).raw();
    this.sliceEnd = database.prepare("SELECT seq FROM messages WHERE seq > ? ORDER BY seq LIMIT 1 OFFSET ?").pluck();
    this.slice = database
      .prepare(
        `SELECT ${MESSAGE}, m.due_at FROM ${MESSAGES} WHERE m.seq > ? AND m.seq <= ? AND coalesce(m.id, b.id) = ? ORDER BY m.seq`,
      )
      .raw();
  }

  page({ queueNo, priority, afterSeq, limit, limitBytes }: Calls["page"][0]): Packed {
    const packer = new Packer(limit * PACKED_CELLS);
    const blocked = this.blocks.ofLane(queueNo, priority, afterSeq, limit, limitBytes);
    const page = { count: 0, bytes: 0, last: 0 };
    const isFull = (): boolean => page.count >= limit || page.bytes >= limitBytes;
    const note = (seq: number, bytes: number): void => {
      page.count++;
      page.bytes += bytes;
      page.last = seq;
    };
    let next = 0;
    const takeBlocked = (beforeSeq: number): void => {
      for (let message = blocked[next]; message && message.seq < beforeSeq && !isFull(); message = blocked[++next]) {
        packBlocked(packer, message);
        note(message.seq, message.bytes);
      }
    };
    for (const row of this.pageRows.iterate(queueNo, priority, afterSeq) as IterableIterator<PageRow>) {
      takeBlocked(row[0]);
      if (isFull()) break;
      this.packRow(packer, queueNo, row);
      note(row[0], row[3]);
    }
    takeBlocked(Infinity);
    if (page.count > 0) this.marks.raise(queueNo, priority, page.last);
    return packer.pack();
  }

  due({ now, limit }: Calls["due"][0]): Calls["due"][1] {
    const found: MessageCells[] = [];
    let bytes = 0;
    for (const row of this.dueRows.iterate(now, limit) as IterableIterator<SqlCell[]>) {
      const cells = messageCells(row);
      found.push(cells);
      bytes += cellsSize(cells);
      if (bytes >= CALL_BYTES) break;
    }
    const packer = new Packer(found.length * PACKED_CELLS);
    for (const cells of found) {
      packMessage(packer, cells);
      const [seq, queueNo, priority] = cells;
      this.makeReady.run(seq);
      this.marks.raise(queueNo, priority, seq);
    }
    return { messages: packer.pack(), next: numberOrNone(this.nextDue.get()) };
  }

  expired({ now, limit }: Calls["expired"][0]): Calls["expired"][1] {
    const found = this.expiredRows.all(now, limit) as (Omit<ExpiredRow, "group" | "delayed" | "lastError"> & {
      grp: string | null;
      error: string | null;
      delayed: number;
    })[];
    const rows = found.map(({ grp, error, delayed, ...row }): ExpiredRow => ({
      ...row,
      group: grp ?? undefined,
      lastError: error ?? undefined,
      delayed: delayed === 1,
    }));
    const next = rows.length === limit ? now : numberOrNone(this.nextExpiry.get(now));
    return { rows, next };
  }

  /** Waiting messages by seq, in order; those that are gone are left out. */
  fetch({ seqs, limitBytes }: Calls["fetch"][0]): Calls["fetch"][1] {
    const packer = new Packer(seqs.length * PACKED_CELLS);
    let read = 0;
    let bytes = 0;
    for (const seq of seqs) {
      read++;
      bytes += this.packMessageOf(packer, seq);
      if (bytes >= limitBytes) break;
    }
    return { messages: packer.pack(), read };
  }

  find({ id, queueNo, afterSeq, limit }: Calls["find"][0]): Calls["find"][1] {
    const rowsEnd = this.sliceEnd.get(afterSeq, limit - 1) as number | undefined;
    const blocksEnd = this.blocks.seqAfter(afterSeq, limit);
    const end =
      rowsEnd === undefined || blocksEnd === undefined ? (rowsEnd ?? blocksEnd) : Math.min(rowsEnd, blocksEnd);
    const upTo = end ?? Number.MAX_SAFE_INTEGER;
    // A message to a room is in as many inboxes as it has members: its payload once for each would be too much.
    const rows = (this.slice.all(afterSeq, upTo, id) as SqlCell[][]).map((row) => ({
      cells: withoutPayload(messageCells(row)),
      dueAt: Number(row[MESSAGE_CELLS + 1] ?? NaN),
    }));
    const blocked = this.blocks.named(id, afterSeq, upTo).map((message) => ({
      cells: withoutPayload(blockedCells(message)),
      dueAt: NaN,
    }));
    const found = [...rows, ...blocked]
      .filter(({ cells }) => queueNo === undefined || cells[1] === queueNo)
      .sort((left, right) => left.cells[0] - right.cells[0]);
    const packer = new Packer(PACKED_CELLS);
    for (const { cells } of found) packMessage(packer, cells);
    return { messages: packer.pack(), dueAts: found.map(({ dueAt }) => dueAt), next: end };
  }

  private packRow(packer: Packer, queueNo: number, row: PageRow): void {
    const [seq, content, check, , expiresAt, attempts, failures] = row;
    if (content === null || crc32(content) !== check) {
      packMessage(packer, messageCells(this.bySeq.get(seq) as SqlCell[]));
      return;
    }
    packContentText(packer, seq, queueNo, expiresAt, 0, attempts, failures, null, null, content);
  }

  /** @returns the bytes of the message; 0: it is gone. */
  private packMessageOf(packer: Packer, seq: number): number {
    const blocked = this.blocks.find(seq);
    if (blocked !== undefined) {
      packBlocked(packer, blocked);
      return blocked.bytes;
    }
    const row = this.bySeq.get(seq) as SqlCell[] | undefined;
    if (row === undefined) return 0;
    const cells = messageCells(row);
    packMessage(packer, cells);
    return cellsSize(cells);
  }

  snapshot(): Snapshot {
    const all = <Row>(sql: string): Row[] => this.database.prepare(sql).all() as Row[];
    const one = (sql: string): unknown => this.database.prepare(sql).pluck().get();
    const delayed = countByQueue(
      all("SELECT queue, count(*) AS count, sum(bytes) AS bytes FROM messages WHERE due_at IS NOT NULL GROUP BY queue"),
    );
    const dead = countByQueue(all("SELECT queue, count(*) AS count, 0 AS bytes FROM dead GROUP BY queue"));
    const queues = all<{ no: number; address: string; creator: string; expired: number; purged: number }>(
      "SELECT no, address, creator, expired, purged FROM queues ORDER BY no",
    );
    return {
      lastSeq: Number(one("SELECT value FROM meta WHERE key = 'last_seq'")),
      queues: queues.map(({ no, address, ...queue }) => ({
        ...queue,
        no,
        address: address as QueueAddress,
        delayed: delayed.get(no)?.count ?? 0,
        delayedBytes: delayed.get(no)?.bytes ?? 0,
        dead: dead.get(no)?.count ?? 0,
      })),
      // Those of one lane may be told twice: what is in rows, and what is in blocks.
      lanes: [
        ...all<LaneCount>(
          "SELECT queue AS queueNo, priority, count(*) AS count, sum(bytes) AS bytes FROM messages WHERE due_at IS NULL GROUP BY queue, priority",
        ),
        ...this.blocks.takeLaneCounts(),
      ],
      members: all("SELECT room AS roomNo, inbox AS inboxNo FROM members"),
      groupHolders: this.groupHolders(),
      nextDue: numberOrNone(this.nextDue.get()),
      nextExpiry: numberOrNone(one("SELECT min(expires_at) FROM messages WHERE expires_at IS NOT NULL")),
    };
  }

  private groupHolders(): Snapshot["groupHolders"] {
    const holds = `SELECT m.queue AS queueNo, coalesce(m.grp, b.grp) AS "group", m.seq, coalesce(m.id, b.id) AS id
       FROM messages m LEFT JOIN bodies b ON b.seq = m.body AND m.body <> 0
       WHERE coalesce(m.grp, b.grp) IS NOT NULL`;
    const tried = `${holds} AND m.due_at IS NOT NULL AND m.failures > 0`;
    const noted = `${holds} AND m.seq IN (SELECT seq FROM group_holders)`;
    const holders = [tried, noted].flatMap((sql) => this.database.prepare(sql).all() as GroupHolder[]);
    for (const seq of this.database.prepare("SELECT seq FROM group_holders").pluck().all() as number[]) {
      const blocked = this.blocks.find(seq);
      if (blocked === undefined) continue;
      const { id, group } = readContent(blocked.content);
      if (group !== null) holders.push({ queueNo: blocked.queueNo, group, seq, id });
    }
    return holders;
  }
}

type GroupHolder = Snapshot["groupHolders"][number];

function packBlocked(packer: Packer, { seq, queueNo, attempts, content }: BlockedMessage): void {
  packContentText(packer, seq, queueNo, null, 0, attempts, 0, null, null, content);
}

function blockedCells({ seq, queueNo, attempts, content }: BlockedMessage): MessageCells {
  const { priority, id, event, payload, group, headers, publisher, publishedAt } = readContent(content);
  return [
    seq,
    queueNo,
    priority,
    null,
    0,
    attempts,
    0,
    id,
    event,
    payload,
    group,
    headers,
    publisher,
    publishedAt,
    null,
    null,
  ];
}

function withoutPayload(cells: MessageCells): MessageCells {
  const bare: SqlCell[] = [...cells];
  bare[PAYLOAD_CELL] = "";
  return bare as unknown as MessageCells;
}

interface QueueCount {
  readonly queue: number;
  readonly count: number;
  readonly bytes: number;
}

function countByQueue(rows: readonly QueueCount[]): Map<number, QueueCount> {
  return new Map(rows.map((row) => [row.queue, row]));
}

function numberOrNone(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
