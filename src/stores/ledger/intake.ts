import { WaybillError } from "../../protocol/errors";
import {
  isRoomAddress,
  roomNameOf,
  sizeOf,
  type NewMessage,
  type QueueAddress,
  type RoomAddress,
} from "../../queue/message";
import type { QueueRules } from "../../queue/queue-rules";
import type { AppendResult } from "../../queue/store";
import type { AppendRow, RoomAppendRow, StoredMessage } from "./journal";
import type { Ledger } from "./ledger";
import type { QueueState } from "./queue-state";

/** A message for which there is no room, and its place among those of its publish. */
interface Refused {
  readonly place: number;
  readonly message: NewMessage;
}

/** Takes new messages in: gives them their places, has them written, and counts them. */
export class Intake {
  /** @param overfull called for a queue that holds more than its rules allow: its oldest may have to go. */
  constructor(
    private readonly ledger: Ledger,
    private readonly overfull: (queue: QueueState) => void,
  ) {}

  async append(messages: readonly NewMessage[]): Promise<readonly AppendResult[]> {
    const results: AppendResult[] = [];
    const rows: (AppendRow | RoomAppendRow)[] = [];
    const places: number[] = [];
    const refused: Refused[] = [];
    for (const message of messages) {
      const row = this.planRow(message);
      if (row instanceof WaybillError) {
        const place = results.push({ error: row }) - 1;
        if (row.code === "QUEUE_FULL") refused.push({ place, message });
        continue;
      }
      places.push(results.push({ status: "stored", seq: row.message.seq }) - 1);
      rows.push(row);
    }
    const written = this.write(rows, places, results, messages[0]?.publishedAt ?? 0);
    // After them: one of this very batch may be the first of its id.
    const told = this.tellThoseStoredBefore(refused, results);
    try {
      await written;
    } catch (error) {
      await this.refuseForTheDisk(messages, results, error);
    }
    await told;
    return results;
  }

  /** Nothing was written: where that is because the disk is full, what can still be told is which of them were before. */
  private async refuseForTheDisk(
    messages: readonly NewMessage[],
    results: AppendResult[],
    error: unknown,
  ): Promise<void> {
    if (!(error instanceof WaybillError && error.code === "DISK_FULL")) throw error;
    const refused = messages.flatMap((message, place): Refused[] => {
      const result = results[place];
      if (result === undefined || "error" in result || result.status === "duplicate") return [];
      results[place] = { error };
      return [{ place, message }];
    });
    const told = await this.tellThoseStoredBefore(refused, results);
    if (told === 0 && refused.length === messages.length) throw error;
  }

  private async write(
    rows: readonly (AppendRow | RoomAppendRow)[],
    places: readonly number[],
    results: AppendResult[],
    now: number,
  ): Promise<void> {
    if (rows.length === 0) return;
    let firsts: readonly number[];
    this.ledger.arriving.add(rows);
    try {
      firsts = await this.ledger.journal.append(rows, now);
    } catch (error) {
      for (const row of rows) this.endAppend(row, false);
      throw error;
    } finally {
      this.ledger.arriving.delete(rows);
    }
    const touched = new Set<QueueState>();
    for (const [index, row] of rows.entries()) {
      const first = firsts[index] ?? 0;
      this.endAppend(row, first === 0, touched);
      const place = places[index];
      if (first !== 0 && place !== undefined) results[place] = { status: "duplicate", seq: first };
    }
    for (const queue of touched) {
      this.keepWithin(queue);
      this.ledger.hint(queue.address);
    }
  }

  /**
   * What is sent again because its answer was lost may have been stored, and have made the queue full itself: its
   * publisher, refused until there is room, would in the end store it twice.
   *
   * @returns how many of the refused were stored before.
   */
  private async tellThoseStoredBefore(refused: readonly Refused[], results: AppendResult[]): Promise<number> {
    const asked = refused.flatMap(({ place, message: { target, id } }) => {
      const { directory } = this.ledger;
      const no = isRoomAddress(target) ? directory.room(target)?.no : directory.queue(target)?.no;
      return no === undefined ? [] : [{ place, queueNo: no, id }];
    });
    if (asked.length === 0) return 0;
    // Where it cannot be told, they stay refused.
    const seqs = await this.ledger.journal.firstSeqs(asked).catch(() => []);
    let told = 0;
    for (const [index, { place }] of asked.entries()) {
      const seq = seqs[index] ?? 0;
      if (seq === 0) continue;
      results[place] = { status: "duplicate", seq };
      told++;
    }
    return told;
  }

  /** Looks whether a queue holds more than its rules allow. */
  keepWithin(queue: QueueState): void {
    if (queue.isOverfull(this.rulesOf(queue))) this.overfull(queue);
  }

  /** @throws WaybillError `QUEUE_FULL` when the queue takes no message more, also none in the place of its oldest. */
  refuseWhenFull(queue: QueueState): void {
    const rules = this.rulesOf(queue);
    if (rules.overflow === "reject" || !canMakeRoom(queue, rules)) this.refuseWithoutRoom(queue);
  }

  /** @throws WaybillError `QUEUE_FULL` when the queue takes no message more unless others go. */
  refuseWithoutRoom(queue: QueueState): void {
    const rules = this.rulesOf(queue);
    if (!queue.isFull(rules)) return;
    const by = queue.total >= rules.maxMessages ? `${queue.total} messages` : `${queue.bytes} bytes`;
    throw new WaybillError("QUEUE_FULL", `${queue.address} holds ${by}, as many as it may.`);
  }

  private rulesOf(queue: QueueState): QueueRules {
    return this.ledger.settings.rules.of(queue.address);
  }

  private planRow(message: NewMessage): AppendRow | RoomAppendRow | WaybillError {
    try {
      return isRoomAddress(message.target)
        ? this.planRoomRow(message, message.target)
        : this.planQueueRow(message, this.ledger.directory.openQueue(message.target, message.publisher), undefined);
    } catch (error) {
      if (error instanceof WaybillError) return error;
      throw error;
    }
  }

  private planRoomRow(message: NewMessage, address: RoomAddress): RoomAppendRow {
    const room = this.ledger.directory.openRoom(address, message.publisher);
    const stored = this.storedMessage(message, room.no, address as unknown as QueueAddress, undefined, 0);
    const inboxes = [...room.inboxes()];
    // Before the first copy is planned: a message goes to all members or to none.
    for (const inbox of inboxes) this.refuseWhenFull(inbox);
    const copies = inboxes.map((inbox) => this.planQueueRow(message, inbox, stored));
    return { message: stored, dueAt: message.dueAt, isDueFixed: message.isDueFixed, copies };
  }

  private planQueueRow(message: NewMessage, queue: QueueState, roomMessage: StoredMessage | undefined): AppendRow {
    const { settings, budget } = this.ledger;
    this.refuseWhenFull(queue);
    const room = roomMessage && roomNameOf(message.target as RoomAddress);
    const stored = this.storedMessage(message, queue.no, queue.address, room, roomMessage?.seq ?? 0);
    queue.beginArrival(stored);
    const { dueAt, isDueFixed } = message;
    if (dueAt !== undefined) return { message: stored, dueAt, isDueFixed, resident: false };
    const lane = queue.lane(message.priority);
    const resident = lane.open && lane.claimed < settings.laneWindow && !budget.isSpent;
    if (resident) {
      lane.beginReserve();
      budget.take(stored);
    } else {
      lane.beginSpill(stored.seq);
    }
    return { message: stored, dueAt: undefined, isDueFixed, resident };
  }

  private storedMessage(
    message: NewMessage,
    queueNo: number,
    queue: QueueAddress,
    room: string | undefined,
    body: number,
  ): StoredMessage {
    return {
      seq: ++this.ledger.lastSeq,
      queueNo,
      queue,
      id: message.id,
      event: message.event,
      payload: message.payload,
      priority: message.priority,
      group: message.group,
      headers: message.headers,
      publisher: message.publisher,
      publishedAt: message.publishedAt,
      expiresAt: message.expiresAt,
      room,
      body,
      attempts: 0,
      failures: 0,
      lastError: undefined,
    };
  }

  private endAppend(row: AppendRow | RoomAppendRow, stored: boolean, touched?: Set<QueueState>): void {
    if ("copies" in row) {
      for (const copy of row.copies) this.endAppend(copy, stored, touched);
      return;
    }
    const { message, dueAt, resident } = row;
    const queue = this.ledger.directory.queueNo(message.queueNo);
    if (queue === undefined) return;
    queue.endArrival(message, stored);
    if (stored) {
      touched?.add(queue);
      this.ledger.lookForExpiryAt(message.expiresAt);
    }
    if (dueAt !== undefined) {
      if (!stored) return;
      queue.delay(sizeOf(message));
      this.ledger.lookForDueAt(dueAt);
      return;
    }
    const lane = queue.lane(message.priority);
    if (resident) {
      lane.endReserve();
      this.ledger.budget.giveBack(message);
      if (stored) lane.list.insert(message);
    } else {
      lane.endSpill(stored ? 1 : 0);
    }
  }
}

/** Whether messages that nobody works on, and that are due, could go to make room. */
function canMakeRoom(queue: QueueState, rules: QueueRules): boolean {
  return queue.ready > 0 && queue.total - queue.ready < rules.maxMessages && queue.heldBytes < rules.maxBytes;
}
