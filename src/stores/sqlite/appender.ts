import type { Database, Statement } from "better-sqlite3";
import { ROW_ROOM, type Calls } from "./calls";
import type { IdWindow } from "./id-window";
import type { LeaseMarks } from "./lease-marks";
import { bytesOf, type MessageRow, type MessageRows } from "./message-rows";
import { Unpacker } from "./packed";
import { readRow } from "./row";
import type { RoomRows } from "./room-rows";

/** Writes new messages, a row each. */
export class Appender {
  private readonly insertCopy: Statement;
  private readonly setLastSeq: Statement;
  private lastSeq: number;
  private writtenSeq: number;

  constructor(
    database: Database,
    private readonly ids: IdWindow,
    private readonly marks: LeaseMarks,
    private readonly rooms: RoomRows,
    private readonly messages: MessageRows,
  ) {
    this.insertCopy = database.prepare(
      "INSERT INTO messages (seq, queue, priority, bytes, due_at, due_fixed, expires_at, body, attempts, failures) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
    );
    this.setLastSeq = database.prepare("UPDATE meta SET value = ? WHERE key = 'last_seq'");
    this.lastSeq = Number(database.prepare("SELECT value FROM meta WHERE key = 'last_seq'").pluck().get());
    this.writtenSeq = this.lastSeq;
  }

  /** @returns the duplicates: the row's index and the first seq of its id, in turn. */
  append({ rows }: Calls["append"][0]): number[] {
    const duplicates: number[] = [];
    const unpacker = new Unpacker(rows);
    for (let index = 0; !unpacker.done; index++) {
      const kind = unpacker.number();
      // Of a plain row, whether it may be leased at once; of a room's, how many copies follow.
      const detail = unpacker.number();
      const row = readRow(unpacker);
      const dedupId = unpacker.stringOrNull();
      this.sawSeq(row.seq);
      const first = this.ids.remember(row.queueNo, dedupId ?? row.id, row.seq);
      if (first !== 0) duplicates.push(index, first);
      if (kind === ROW_ROOM) this.appendToRoom(unpacker, row, detail, first === 0);
      else if (first === 0) {
        this.messages.insert(row);
        if (detail === 1) this.marks.raise(row.queueNo, row.priority, row.seq);
      }
    }
    return duplicates;
  }

  /** The newest seq that is given out. */
  get newestSeq(): number {
    return this.lastSeq;
  }

  /** Notes a seq as given out. */
  sawSeq(seq: number): void {
    if (seq > this.lastSeq) this.lastSeq = seq;
  }

  /** Last in a transaction: what was given out is never given out again. */
  writeLastSeq(): void {
    if (this.lastSeq === this.writtenSeq) return;
    this.setLastSeq.run(this.lastSeq);
  }

  /** The transaction was committed. */
  keep(): void {
    this.writtenSeq = this.lastSeq;
  }

  private appendToRoom(unpacker: Unpacker, row: MessageRow, copies: number, isNew: boolean): void {
    const bytes = bytesOf(row);
    if (isNew) this.rooms.addMessage(row, bytes, copies);
    const inboxes = unpacker.numbers(copies);
    const resident = unpacker.numbers(unpacker.number());
    if (!isNew) return;
    const { seq, priority, dueAt, isDueFixed, expiresAt } = row;
    const firstCopy = seq + 1;
    for (const [place, inbox] of inboxes.entries()) {
      this.insertCopy.run(firstCopy + place, inbox, priority, bytes, dueAt, isDueFixed, expiresAt, seq);
    }
    this.sawSeq(seq + copies);
    for (const place of resident) this.marks.raise(inboxes[place] ?? 0, priority, firstCopy + place);
  }
}
