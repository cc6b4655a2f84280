import type { Database, Statement } from "better-sqlite3";
import { ROW_COPY, ROW_ROOM, type Calls, type Cell } from "./calls";
import type { IdWindow } from "./id-window";
import type { LeaseMarks } from "./lease-marks";
import type { RoomRows } from "./room-rows";

const CONTENT_CELLS = 14;
const COPY_CELLS = 4;

/** Writes new messages. */
export class Appender {
  private readonly insert: Statement;
  private readonly insertCopy: Statement;
  private readonly setLastSeq: Statement;
  private lastSeq: number;
  private writtenSeq: number;

  constructor(
    database: Database,
    private readonly ids: IdWindow,
    private readonly marks: LeaseMarks,
    private readonly rooms: RoomRows,
  ) {
    this.insert = database.prepare(
      `INSERT INTO messages (seq, queue, priority, due_at, expires_at, body, attempts, failures, id, event, payload, grp, headers, publisher, published_at)
       VALUES (?, ?, ?, ?, ?, 0, 0, 0, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.insertCopy = database.prepare(
      "INSERT INTO messages (seq, queue, priority, due_at, expires_at, body, attempts, failures) VALUES (?, ?, ?, ?, ?, ?, 0, 0)",
    );
    this.setLastSeq = database.prepare("UPDATE meta SET value = ? WHERE key = 'last_seq'");
    this.lastSeq = Number(database.prepare("SELECT value FROM meta WHERE key = 'last_seq'").pluck().get());
    this.writtenSeq = this.lastSeq;
  }

  /** @returns the duplicates: the row's index and the first seq of its id, in turn. */
  append({ cells }: Calls["append"][0]): number[] {
    const duplicates: number[] = [];
    let index = 0;
    for (let at = 0; at < cells.length; index++) {
      const [
        kind,
        detail,
        seq,
        queueNo,
        priority,
        dueAt,
        expiresAt,
        id,
        event,
        payload,
        group,
        headers,
        publisher,
        publishedAt,
      ] = cells.slice(at, at + CONTENT_CELLS) as RowCells;
      at += CONTENT_CELLS;
      this.sawSeq(seq);
      const first = this.ids.remember(queueNo, id, seq);
      const copies = kind === ROW_ROOM ? detail : 0;
      if (first !== 0) {
        duplicates.push(index, first);
        at += copies * COPY_CELLS;
      } else if (kind === ROW_ROOM) {
        const content = {
          seq,
          roomNo: queueNo,
          priority,
          expiresAt,
          id,
          event,
          payload,
          group,
          headers,
          publisher,
          publishedAt,
        };
        this.rooms.addMessage(content, copies);
        at = this.appendCopies(cells, at, copies, { body: seq, priority, dueAt, expiresAt });
      } else {
        this.insert.run(
          seq,
          queueNo,
          priority,
          dueAt,
          expiresAt,
          id,
          event,
          payload,
          group,
          headers,
          publisher,
          publishedAt,
        );
        if (detail === 1) this.marks.raise(queueNo, priority, seq);
      }
    }
    return duplicates;
  }

  /** Notes a seq as given out. */
  sawSeq(seq: number): void {
    if (seq > this.lastSeq) this.lastSeq = seq;
  }

  /** Last in a transaction: what was given out is never given out again. */
  writeLastSeq(): void {
    if (this.lastSeq === this.writtenSeq) return;
    this.setLastSeq.run(this.lastSeq);
    this.writtenSeq = this.lastSeq;
  }

  private appendCopies(
    cells: readonly Cell[],
    from: number,
    count: number,
    shared: { body: number; priority: number; dueAt: number | null; expiresAt: number | null },
  ): number {
    const { body, priority, dueAt, expiresAt } = shared;
    let at = from;
    for (let copy = 0; copy < count; copy++, at += COPY_CELLS) {
      const [kind, resident, seq, queueNo] = cells.slice(at, at + COPY_CELLS) as [number, number, number, number];
      if (kind !== ROW_COPY) throw new Error(`cell ${at} is no copy of the room's message ${body}`);
      this.sawSeq(seq);
      this.insertCopy.run(seq, queueNo, priority, dueAt, expiresAt, body);
      if (resident === 1) this.marks.raise(queueNo, priority, seq);
    }
    return at;
  }
}

type RowCells = [
  kind: number,
  detail: number,
  seq: number,
  queueNo: number,
  priority: number,
  dueAt: number | null,
  expiresAt: number | null,
  id: string,
  event: string,
  payload: string,
  group: string | null,
  headers: string | null,
  publisher: string,
  publishedAt: number,
];
