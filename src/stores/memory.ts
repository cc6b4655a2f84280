import { systemClock, type Clock } from "../queue/clock";
import { PRIORITIES, roomNameOf, type DeadLetter, type QueueAddress, type RoomAddress } from "../queue/message";
import type { Since } from "../queue/store";
import type {
  AppendRow,
  Change,
  ExpiredRow,
  JoinedRow,
  Journal,
  RoomAppendRow,
  Snapshot,
  StoredMessage,
} from "./ledger/journal";
import { TimeHeap } from "./time-heap";

export interface MemoryJournalSettings {
  readonly dedupWindowMs: number;
  readonly dedupMaxIds: number;
  readonly historyMessages: number;
  readonly historyMs: number;
}

interface Row {
  readonly message: StoredMessage;
  dueAt: number | undefined;
}

interface BuriedMessage extends DeadLetter {
  readonly message: StoredMessage;
}

interface Room {
  history: StoredMessage[];
  /** The newest seq that history has lost. */
  trimmedTo: number;
  /** For each member's inbox: the seq from which on it was given everything. */
  readonly coveredFrom: Map<number, number>;
}

/** A journal that forgets: for tests and demos. `durability` says so on every confirmation. */
export class MemoryJournal implements Journal {
  readonly durability = "memory";
  private readonly addresses = new Map<number, QueueAddress | RoomAddress>();
  private readonly rows = new Map<number, Row>();
  /** Rows that the ledger may not have in memory, by lane, in order: it pages them in. */
  private readonly onDisk = new Map<string, StoredMessage[]>();
  private readonly delayed = new TimeHeap<Row>();
  private readonly expiring = new TimeHeap<Row>();
  private readonly dead = new Map<number, BuriedMessage[]>();
  private readonly rooms = new Map<number, Room>();
  private ids = new Map<string, number>();
  private olderIds = new Map<string, number>();
  private idsSince = 0;

  constructor(
    private readonly settings: MemoryJournalSettings,
    private readonly clock: Pick<Clock, "now"> = systemClock,
  ) {}

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

  append(rows: readonly (AppendRow | RoomAppendRow)[], now: number): Promise<readonly number[]> {
    return Promise.resolve(
      rows.map((row) => {
        const first = this.rememberId(row.message, now);
        if (first !== 0) return first;
        if ("copies" in row) {
          this.keepHistory(row.message);
          for (const copy of row.copies) this.addRow(copy);
        } else {
          this.addRow(row);
        }
        return 0;
      }),
    );
  }

  change(changes: readonly Change[]): Promise<void> {
    for (const change of changes) {
      const { seq, queueNo } = "row" in change ? change.row : change.message;
      const row = this.rows.get(seq);
      if (row === undefined) continue;
      if (change.kind === "retry") {
        this.delay(row, change.dueAt);
        continue;
      }
      this.rows.delete(seq);
      this.removeFromDisk(row.message);
      if (change.kind === "dead") this.bury(change, queueNo);
    }
    return Promise.resolve();
  }

  page(queueNo: number, priority: number, afterSeq: number, limit: number): Promise<readonly StoredMessage[]> {
    const lane = this.onDisk.get(laneKey(queueNo, priority)) ?? [];
    // What became due before the lane had reached it is in the ledger's memory already.
    lane.splice(0, placeOf(lane, afterSeq + 1));
    return Promise.resolve(lane.splice(0, limit));
  }

  due(now: number, limit: number): Promise<{ messages: readonly StoredMessage[]; next: number | undefined }> {
    const messages: StoredMessage[] = [];
    for (let row = this.delayed.peek(); row && row.at <= now && messages.length < limit; row = this.delayed.peek()) {
      this.delayed.pop();
      // A row that was settled or put off since left an entry behind.
      if (this.rows.get(row.item.message.seq) !== row.item || row.item.dueAt !== row.at) continue;
      row.item.dueAt = undefined;
      this.putOnDisk(row.item.message);
      messages.push(row.item.message);
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
      const { seq, queueNo, body, priority, group } = message;
      rows.push({ seq, queueNo, body, priority, group, delayed: dueAt !== undefined });
      kept.push(row.item);
    }
    const next = this.expiring.peek()?.at;
    for (const row of kept) this.expiring.push(row.message.expiresAt ?? 0, row);
    return Promise.resolve({ rows, next });
  }

  join(
    roomNo: number,
    inboxNo: number,
    since: Since | undefined,
    firstSeq: number,
    lastSeq: number,
  ): Promise<JoinedRow> {
    const room = this.roomOf(roomNo);
    const coveredFrom = room.coveredFrom.get(inboxNo) ?? lastSeq + 1;
    room.coveredFrom.set(inboxNo, coveredFrom);
    const replayed = Array.from({ length: PRIORITIES }, () => 0);
    if (since === undefined) return Promise.resolve({ replayed, missing: undefined });
    const kept = this.trim(room);
    const wanted = kept.filter((message) => message.seq < coveredFrom && isSince(message, since));
    wanted.forEach((message, index) => {
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
      this.addRow({ message: copy, dueAt: undefined, resident: false });
      replayed[message.priority] = (replayed[message.priority] ?? 0) + 1;
    });
    const first = wanted[0];
    if (first) room.coveredFrom.set(inboxNo, first.seq);
    const missing = missingBefore(since, Math.min(room.trimmedTo, coveredFrom - 1));
    return Promise.resolve({ replayed, missing });
  }

  leave(roomNo: number, inboxNo: number): Promise<void> {
    this.roomOf(roomNo).coveredFrom.delete(inboxNo);
    return Promise.resolve();
  }

  deadLetters(queueNo: number, limit: number, afterSeq: number): Promise<readonly DeadLetter[]> {
    const letters = (this.dead.get(queueNo) ?? []).filter(({ message }) => message.seq > afterSeq);
    return Promise.resolve(letters.sort((a, b) => a.message.seq - b.message.seq).slice(0, limit));
  }

  redrive(
    queueNo: number,
    ids: readonly string[] | undefined,
    diedBy: number,
    limit: number,
  ): Promise<readonly StoredMessage[]> {
    const letters = this.takeDead(queueNo, ids, diedBy, limit);
    const messages = letters.map(({ message }): StoredMessage => ({ ...message, failures: 0, expiresAt: undefined }));
    for (const message of messages) this.addRow({ message, dueAt: undefined, resident: false });
    return Promise.resolve(messages);
  }

  purge(queueNo: number, ids: readonly string[] | undefined): Promise<number> {
    return Promise.resolve(this.takeDead(queueNo, ids, Infinity, Infinity).length);
  }

  probe(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private addRow({ message, dueAt, resident }: AppendRow): void {
    const row: Row = { message, dueAt: undefined };
    this.rows.set(message.seq, row);
    if (message.expiresAt !== undefined) this.expiring.push(message.expiresAt, row);
    if (dueAt !== undefined) this.delay(row, dueAt);
    else if (!resident) this.putOnDisk(message);
  }

  private delay(row: Row, dueAt: number | undefined): void {
    row.dueAt = dueAt;
    if (dueAt !== undefined) this.delayed.push(dueAt, row);
  }

  private putOnDisk(message: StoredMessage): void {
    const key = laneKey(message.queueNo, message.priority);
    const lane = this.onDisk.get(key) ?? [];
    this.onDisk.set(key, lane);
    const at = placeOf(lane, message.seq);
    if (lane[at]?.seq !== message.seq) lane.splice(at, 0, message);
  }

  private takeDead(
    queueNo: number,
    ids: readonly string[] | undefined,
    diedBy: number,
    limit: number,
  ): BuriedMessage[] {
    const taken: BuriedMessage[] = [];
    const left: BuriedMessage[] = [];
    for (const letter of this.dead.get(queueNo) ?? []) {
      const isWanted =
        ids === undefined ? letter.diedAt <= diedBy && taken.length < limit : ids.includes(letter.message.id);
      (isWanted ? taken : left).push(letter);
    }
    this.dead.set(queueNo, left);
    return taken;
  }

  private bury({ message, reason, holder, failures }: Extract<Change, { kind: "dead" }>, queueNo: number): void {
    const letters = this.dead.get(queueNo) ?? [];
    letters.push({ message: { ...message, failures }, reason, lastHolder: holder, diedAt: this.clock.now() });
    this.dead.set(queueNo, letters);
  }

  private removeFromDisk(message: StoredMessage): void {
    const lane = this.onDisk.get(laneKey(message.queueNo, message.priority));
    if (lane === undefined) return;
    const at = placeOf(lane, message.seq);
    if (lane[at]?.seq === message.seq) lane.splice(at, 1);
  }

  /** @returns the seq that the id had before, or 0. */
  private rememberId({ queueNo, id, seq }: StoredMessage, now: number): number {
    if (now - this.idsSince >= this.settings.dedupWindowMs || this.ids.size >= this.settings.dedupMaxIds) {
      this.olderIds = this.ids;
      this.ids = new Map();
      this.idsSince = now;
    }
    const key = `${queueNo}/${id}`;
    const first = this.ids.get(key) ?? this.olderIds.get(key);
    if (first !== undefined) return first;
    this.ids.set(key, seq);
    return 0;
  }

  private keepHistory(message: StoredMessage): void {
    const room = this.roomOf(message.queueNo);
    room.history.push(message);
    if (room.history.length > this.settings.historyMessages * 2) this.trim(room);
  }

  private trim(room: Room): readonly StoredMessage[] {
    const oldest = this.clock.now() - this.settings.historyMs;
    const overflow = Math.max(0, room.history.length - this.settings.historyMessages);
    const fresh = room.history.findIndex((message) => message.publishedAt > oldest);
    const from = Math.max(overflow, fresh < 0 ? room.history.length : fresh);
    for (const lost of room.history.splice(0, from)) room.trimmedTo = lost.seq;
    return room.history;
  }

  private roomOf(roomNo: number): Room {
    let room = this.rooms.get(roomNo);
    if (room === undefined) {
      room = { history: [], trimmedTo: 0, coveredFrom: new Map() };
      this.rooms.set(roomNo, room);
    }
    return room;
  }
}

/** Index of the first message whose seq is not below this one. */
function placeOf(lane: readonly StoredMessage[], seq: number): number {
  let low = 0;
  let high = lane.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((lane[middle]?.seq ?? Infinity) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

function laneKey(queueNo: number, priority: number): string {
  return `${queueNo}/${priority}`;
}

function isSince(message: StoredMessage, since: Since): boolean {
  if (since === "all") return true;
  return "afterSeq" in since ? message.seq > since.afterSeq : message.publishedAt >= since.fromTime;
}

function missingBefore(since: Since, trimmedTo: number): JoinedRow["missing"] {
  if (since === "all" || !("afterSeq" in since) || since.afterSeq >= trimmedTo) return undefined;
  return { from: since.afterSeq + 1, to: trimmedTo };
}
