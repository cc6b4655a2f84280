import { systemClock, type Clock } from "../queue/clock";
import {
  PRIORITIES,
  roomNameOf,
  sizeOf,
  type DeadLetter,
  type DeadSelection,
  type Ending,
  type QueueAddress,
  type RoomAddress,
} from "../queue/message";
import type { Since } from "../queue/store";
import { DeadLetters } from "./dead-letters";
import type {
  AppendRow,
  Change,
  EndNote,
  ExpiredRow,
  FoundRow,
  JoinedRow,
  Journal,
  RoomAppendRow,
  Snapshot,
  StoredMessage,
} from "./ledger/journal";
import { RememberedIds, type RememberedId } from "./remembered-ids";
import { RoomHistory, type HistorySettings } from "./room-history";
import { TimeHeap } from "./time-heap";
import { UnreadLanes } from "./unread-lanes";

export interface MemoryJournalSettings extends HistorySettings {
  readonly dedupWindowMs: number;
  readonly dedupMaxIds: number;
  readonly maxEndings: number;
}

interface Row {
  readonly message: StoredMessage;
  dueAt: number | undefined;
  isDueFixed: boolean;
  /** Of its message, as of the last step of the clock: the ledger has its own copy of what it has in memory. */
  expiresAt: number | undefined;
}

/** A journal that forgets: for tests and demos. `durability` says so on every confirmation. */
export class MemoryJournal implements Journal {
  readonly durability = "memory";
  private readonly addresses = new Map<number, QueueAddress | RoomAddress>();
  private readonly rows = new Map<number, Row>();
  private readonly unread = new UnreadLanes();
  private delayed = new TimeHeap<Row>();
  private expiring = new TimeHeap<Row>();
  private readonly dead: DeadLetters;
  private readonly rooms = new Map<number, RoomHistory>();
  private readonly ended: { readonly queueNo: number; readonly ending: Ending }[] = [];
  private readonly ids: RememberedIds;

  constructor(
    private readonly settings: MemoryJournalSettings,
    private readonly clock: Pick<Clock, "now" | "steady"> = systemClock,
  ) {
    this.dead = new DeadLetters(clock);
    this.ids = new RememberedIds(settings, clock);
  }

  load(): Promise<Snapshot> {
    return Promise.resolve({
      lastSeq: 0,
      queues: [],
      lanes: [],
      members: [],
      groupHolders: [],
      nextDue: undefined,
      nextExpiry: undefined,
    });
  }

  addQueue(no: number, address: QueueAddress | RoomAddress): void {
    this.addresses.set(no, address);
  }

  append(rows: readonly (AppendRow | RoomAppendRow)[]): Promise<readonly number[]> {
    return Promise.resolve(
      rows.map((row) => {
        const { seq, queueNo, id } = row.message;
        const first = this.ids.remember({ queueNo, id: row.dedupId ?? id }, seq);
        if (first !== 0) return first;
        if ("copies" in row) {
          this.roomOf(queueNo).add({ ...row });
          this.addCopies(row);
        } else {
          this.addRow(row);
        }
        return 0;
      }),
    );
  }

  firstSeqs(ids: readonly RememberedId[]): Promise<readonly number[]> {
    return Promise.resolve(ids.map((each) => this.ids.find(each)));
  }

  change(changes: readonly Change[]): Promise<void> {
    for (const change of changes) {
      // Nothing is read back from here after a crash.
      if (change.kind === "count") continue;
      const { seq, queueNo } = "row" in change ? change.row : change.message;
      const row = this.rows.get(seq);
      if (row === undefined) continue;
      if (change.kind === "retry") {
        row.message.failures = change.failures;
        row.message.lastError = change.error;
        this.delay(row, change.dueAt);
        continue;
      }
      this.rows.delete(seq);
      this.unread.remove(row.message);
      if (change.kind === "dead") this.dead.bury(row.message, change);
      else this.noteEnding(queueNo, change.ending);
    }
    return Promise.resolve();
  }

  page(queueNo: number, priority: number, afterSeq: number, limit: number): Promise<readonly StoredMessage[]> {
    const page = this.unread.take(queueNo, priority, afterSeq, limit);
    return Promise.resolve(page.map((message) => this.readBack(message)));
  }

  due(now: number, limit: number): Promise<{ messages: readonly StoredMessage[]; next: number | undefined }> {
    const messages: StoredMessage[] = [];
    for (let row = this.delayed.peek(); row && row.at <= now && messages.length < limit; row = this.delayed.peek()) {
      this.delayed.pop();
      // A row that was settled or put off since left an entry behind.
      if (this.rows.get(row.item.message.seq) !== row.item || row.item.dueAt !== row.at) continue;
      row.item.dueAt = undefined;
      row.item.isDueFixed = false;
      this.unread.add(row.item.message);
      messages.push(this.readBack(row.item.message));
    }
    return Promise.resolve({ messages, next: this.delayed.peek()?.at });
  }

  expired(now: number, limit: number): Promise<{ rows: readonly ExpiredRow[]; next: number | undefined }> {
    const rows: ExpiredRow[] = [];
    const kept: Row[] = [];
    for (let row = this.expiring.peek(); row && row.at <= now && rows.length < limit; row = this.expiring.peek()) {
      this.expiring.pop();
      const { message, dueAt } = row.item;
      if (this.rows.get(message.seq) !== row.item) continue;
      if (row.item.expiresAt !== row.at) continue;
      rows.push({ ...message, bytes: sizeOf(message), delayed: dueAt !== undefined });
      kept.push(row.item);
    }
    const next = this.expiring.peek()?.at;
    for (const row of kept) this.expiring.push(row.expiresAt ?? 0, row.message.seq, row);
    return Promise.resolve({ rows, next });
  }

  join(
    roomNo: number,
    inboxNo: number,
    since: Since | undefined,
    firstSeq: number,
    lastSeq: number,
    given: readonly number[],
  ): Promise<JoinedRow> {
    const { wanted, missing } = this.roomOf(roomNo).join(inboxNo, since, lastSeq, given);
    const replayed = Array.from({ length: PRIORITIES }, () => 0);
    const now = this.clock.now();
    let bytes = 0;
    let delayed = 0;
    let delayedBytes = 0;
    wanted.forEach(({ message, isDueFixed, ...row }, index) => {
      const dueAt = row.dueAt !== undefined && row.dueAt > now ? row.dueAt : undefined;
      bytes += sizeOf(message);
      const copy: StoredMessage = {
        ...message,
        seq: firstSeq + index,
        queueNo: inboxNo,
        queue: this.addresses.get(inboxNo) as QueueAddress,
        room: roomNameOf(message.queue as unknown as RoomAddress),
        body: message.seq,
        attempts: 0,
        failures: 0,
      };
      this.addRow({ message: copy, dueAt, isDueFixed: isDueFixed && dueAt !== undefined, resident: false });
      if (dueAt === undefined) {
        replayed[message.priority] = (replayed[message.priority] ?? 0) + 1;
      } else {
        delayed++;
        delayedBytes += sizeOf(message);
      }
    });
    return Promise.resolve({ replayed, delayed, bytes, delayedBytes, missing });
  }

  leave(roomNo: number, inboxNo: number): Promise<void> {
    this.roomOf(roomNo).leave(inboxNo);
    return Promise.resolve();
  }

  fetch(seqs: readonly number[]): Promise<{ messages: readonly StoredMessage[]; read: number }> {
    const messages = seqs.flatMap((seq) => {
      const row = this.rows.get(seq);
      return row && row.dueAt === undefined ? [this.readBack(row.message)] : [];
    });
    return Promise.resolve({ messages, read: seqs.length });
  }

  moveDeadlines(byMs: number): Promise<void> {
    const moved = { delayed: new TimeHeap<Row>(), expiring: new TimeHeap<Row>() };
    for (const row of this.rows.values()) {
      const move = row.isDueFixed ? 0 : byMs;
      if (row.dueAt !== undefined) moved.delayed.push((row.dueAt += move), row.message.seq, row);
      if (row.expiresAt !== undefined) moved.expiring.push((row.expiresAt += move), row.message.seq, row);
    }
    Object.assign(this, moved);
    for (const room of this.rooms.values()) room.moveDeadlines(byMs);
    return Promise.resolve();
  }

  find(
    id: string,
    queueNo: number | undefined,
    _afterSeq: number,
    _limit: number,
  ): Promise<{ found: readonly FoundRow[]; next: number | undefined }> {
    const found: FoundRow[] = [];
    for (const { message, dueAt } of this.rows.values()) {
      if (message.id === id && (queueNo === undefined || message.queueNo === queueNo)) found.push({ message, dueAt });
    }
    return Promise.resolve({ found, next: undefined });
  }

  endings(
    id: string,
    queueNo: number | undefined,
    limit: number,
  ): Promise<readonly { readonly queueNo: number; readonly ending: Ending }[]> {
    const found = this.ended.filter(
      (each) => each.ending.id === id && (queueNo === undefined || each.queueNo === queueNo),
    );
    return Promise.resolve(found.reverse().slice(0, limit));
  }

  deadLetters(
    queueNo: number,
    selection: DeadSelection,
    limit: number,
    afterSeq: number,
  ): Promise<readonly DeadLetter[]> {
    return Promise.resolve(this.dead.list(queueNo, selection, limit, afterSeq));
  }

  redrive(
    queueNo: number,
    selection: DeadSelection,
    afterSeq: number,
    limit: number,
    spread: { readonly from: number; readonly everyMs: number } | undefined,
  ): Promise<readonly StoredMessage[]> {
    const taken = this.dead.take(queueNo, selection, limit, afterSeq);
    const messages = taken.map((message): StoredMessage => ({ ...message, failures: 0 }));
    for (const [index, message] of messages.entries()) {
      const dueAt = spread ? Math.round(spread.from + index * spread.everyMs) : undefined;
      this.addRow({ message, dueAt, isDueFixed: false, resident: false });
    }
    return Promise.resolve(messages);
  }

  purge(queueNo: number, selection: DeadSelection, limit: number): Promise<number> {
    return Promise.resolve(this.endPurged(queueNo, this.dead.take(queueNo, selection, limit, 0)));
  }

  purgeOldest(queueNo: number, limit: number): Promise<number> {
    return Promise.resolve(this.endPurged(queueNo, this.dead.takeOldest(queueNo, limit)));
  }

  probe(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private addCopies({ copies, dueAt, isDueFixed }: RoomAppendRow): void {
    const resident = new Set(copies.resident);
    for (let place = 0; place < copies.count; place++) {
      this.addRow({ message: copies.at(place), dueAt, isDueFixed, resident: resident.has(place) });
    }
  }

  private addRow({ message, dueAt, isDueFixed, resident }: AppendRow): void {
    const row: Row = { message, dueAt: undefined, isDueFixed, expiresAt: message.expiresAt };
    this.rows.set(message.seq, row);
    if (message.expiresAt !== undefined) this.expiring.push(message.expiresAt, message.seq, row);
    if (dueAt !== undefined) this.delay(row, dueAt);
    else if (!resident) this.unread.add(message);
  }

  private delay(row: Row, dueAt: number | undefined): void {
    row.dueAt = dueAt;
    if (dueAt !== undefined) this.delayed.push(dueAt, row.message.seq, row);
  }

  /** The message as a journal on disk would read it. */
  private readBack(message: StoredMessage): StoredMessage {
    message.expiresAt = this.rows.get(message.seq)?.expiresAt;
    return message;
  }

  private endPurged(queueNo: number, messages: readonly StoredMessage[]): number {
    for (const { id, attempts } of messages) {
      this.noteEnding(queueNo, { id, how: "purged", attempt: attempts, client: undefined });
    }
    return messages.length;
  }

  private noteEnding(queueNo: number, ending: EndNote): void {
    this.ended.push({ queueNo, ending: { ...ending, at: this.clock.now() } });
    // By halves, so that forgetting costs each of them next to nothing.
    if (this.ended.length >= this.settings.maxEndings * 2) this.ended.splice(0, this.settings.maxEndings);
  }

  private roomOf(roomNo: number): RoomHistory {
    let room = this.rooms.get(roomNo);
    if (room === undefined) {
      room = new RoomHistory(this.settings, this.clock);
      this.rooms.set(roomNo, room);
    }
    return room;
  }
}
