import { WaybillError } from "../../protocol/errors";
import { dedupIdOf, isRoomAddress, type NewMessage, type RoomAddress } from "../../queue/message";
import type { QueueRules } from "../../queue/queue-rules";
import type { AppendResult } from "../../queue/store";
import { arriveInQueue, arriveInRoom, type Arrival } from "./arrival";
import type { Ledger } from "./ledger";
import type { QueueState } from "./queue-state";

/** Copies of messages to rooms that are given their places in a row: a few milliseconds, in which nothing else is done. */
const COPIES_IN_A_ROW = 4_096;

/** Messages that were handed in together. */
interface Batch {
  readonly messages: readonly NewMessage[];
  /** One for each that has been looked at, in order. */
  readonly results: AppendResult[];
  /** Those parts of it that are on their way: each resolves with why it was not written. */
  readonly portions: Promise<WaybillError | undefined>[];
  /** Where it had to wait in line: called when all of it is on its way, or cannot be. */
  planned: (() => void) | undefined;
  failure: Error | undefined;
}

/** What of a batch is written together. */
interface Portion {
  readonly arrivals: Arrival[];
  /** Where in the batch each of them stands. */
  readonly places: number[];
  /** Where those stand for which there is no room. */
  readonly refused: number[];
}

/**
 * Takes new messages in: gives them their places, has them written, and counts them. Large rooms are taken in bit by bit,
 * so that others have their turn in between; what comes meanwhile waits in line, so that its messages go behind theirs.
 */
export class Intake {
  /** Batches that are not on their way yet, or not all of them. */
  private readonly line: Batch[] = [];
  private copiesInARow = 0;
  private isResting = false;

  /** @param overfull called for a queue that holds more than its rules allow: its oldest may have to go. */
  constructor(
    private readonly ledger: Ledger,
    private readonly overfull: (queue: QueueState) => void,
  ) {}

  async append(messages: readonly NewMessage[]): Promise<readonly AppendResult[]> {
    const batch: Batch = { messages, results: [], portions: [], planned: undefined, failure: undefined };
    this.line.push(batch);
    if (!this.isResting) this.takeIn(COPIES_IN_A_ROW);
    if (this.line.includes(batch)) await new Promise<void>((resolve) => (batch.planned = resolve));
    if (batch.failure !== undefined) throw batch.failure;
    let failure: WaybillError | undefined;
    for (const portion of batch.portions) failure = (await portion) ?? failure;
    if (failure !== undefined && isToldAsOne(failure, batch.results)) throw failure;
    return batch.results;
  }

  /** Sends all that waits in line on its way. */
  takeInAll(): void {
    this.takeIn(Infinity);
  }

  private takeIn(copiesInARow: number): void {
    for (let batch = this.line[0]; batch !== undefined; batch = this.line[0]) {
      if (this.copiesInARow >= copiesInARow) {
        this.rest();
        return;
      }
      try {
        const finished = this.finish(batch, this.planPortion(batch, copiesInARow));
        // Who handed the batch in hears of it when all of it is on its way.
        finished.catch(() => {});
        batch.portions.push(finished);
        if (batch.results.length < batch.messages.length) continue;
      } catch (error) {
        batch.failure = error as Error;
      }
      this.line.shift();
      batch.planned?.();
    }
  }

  /** Goes on when others have had their turn. */
  private rest(): void {
    if (this.isResting) return;
    this.isResting = true;
    this.ledger.clock.soon(() => {
      this.isResting = false;
      this.copiesInARow = 0;
      this.takeIn(COPIES_IN_A_ROW);
    });
  }

  private planPortion({ messages, results }: Batch, copiesInARow: number): Portion {
    const portion: Portion = { arrivals: [], places: [], refused: [] };
    for (let message = messages[results.length]; message !== undefined; message = messages[results.length]) {
      const arrival = this.plan(message);
      if (arrival instanceof WaybillError) {
        const place = results.push({ error: arrival }) - 1;
        if (arrival.code === "QUEUE_FULL") portion.refused.push(place);
        continue;
      }
      portion.places.push(results.push({ status: "stored", seq: arrival.row.message.seq }) - 1);
      portion.arrivals.push(arrival);
      if ("copies" in arrival.row) this.copiesInARow += arrival.row.copies.count;
      if (this.copiesInARow >= copiesInARow) break;
    }
    return portion;
  }

  /** @returns why the portion was not written; undefined: it was. */
  private async finish(batch: Batch, portion: Portion): Promise<WaybillError | undefined> {
    const written = this.write(batch, portion);
    // After them: one of this very batch may be the first of its id.
    const told = portion.refused.length === 0 ? undefined : this.tellThoseStoredBefore(batch, portion.refused);
    let failure: WaybillError | undefined;
    try {
      await written;
    } catch (error) {
      if (!(error instanceof WaybillError)) throw error;
      failure = error;
      await this.refuse(batch, portion, error);
    }
    await told;
    return failure;
  }

  /** Nothing was written: where that is because the disk is full, what can still be told is which of them were before. */
  private async refuse({ messages, results }: Batch, { places }: Portion, error: WaybillError): Promise<void> {
    const refused = places.filter((place) => {
      const result = results[place];
      if (result === undefined || "error" in result || result.status === "duplicate") return false;
      results[place] = { error };
      return true;
    });
    if (error.code === "DISK_FULL") await this.tellThoseStoredBefore({ messages, results }, refused);
  }

  private async write({ results }: Batch, { arrivals, places }: Portion): Promise<void> {
    if (arrivals.length === 0) return;
    const rows = arrivals.map(({ row }) => row);
    let firsts: readonly number[];
    this.ledger.arriving.push(rows);
    try {
      firsts = await this.ledger.journal.append(rows);
    } catch (error) {
      for (const arrival of arrivals) arrival.end(false);
      throw error;
    } finally {
      this.ledger.arriving.splice(this.ledger.arriving.indexOf(rows), 1);
    }
    const touched = new Set<QueueState>();
    let last: QueueState | undefined;
    for (let index = 0; index < arrivals.length; index++) {
      const first = firsts[index] ?? 0;
      arrivals[index]?.end(first === 0);
      const place = places[index];
      if (first !== 0 && place !== undefined) results[place] = { status: "duplicate", seq: first };
      if (first !== 0) continue;
      // Mostly it is the same one again.
      for (const queue of arrivals[index]?.queues ?? []) if (queue !== last) touched.add((last = queue));
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
   * @param refused their places in the batch.
   */
  private async tellThoseStoredBefore(
    { messages, results }: Pick<Batch, "messages" | "results">,
    refused: readonly number[],
  ): Promise<void> {
    const asked = refused.flatMap((place) => {
      const message = messages[place];
      if (message === undefined) return [];
      const { target } = message;
      const id = dedupIdOf(message) ?? message.id;
      const { directory } = this.ledger;
      const no = isRoomAddress(target) ? directory.room(target)?.no : directory.queue(target)?.no;
      return no === undefined ? [] : [{ place, queueNo: no, id }];
    });
    if (asked.length === 0) return;
    // Where it cannot be told, they stay refused.
    const seqs = await this.ledger.journal.firstSeqs(asked).catch(() => []);
    for (const [index, { place }] of asked.entries()) {
      const seq = seqs[index] ?? 0;
      if (seq !== 0) results[place] = { status: "duplicate", seq };
    }
  }

  /** Looks whether a queue holds more than its rules allow. */
  keepWithin(queue: QueueState): void {
    if (queue.isOverfull(this.rulesOf(queue))) this.overfull(queue);
  }

  /** @throws WaybillError `QUEUE_FULL` when the queue takes no message more, also none in the place of its oldest. */
  refuseWhenFull(queue: QueueState): void {
    const rules = this.rulesOf(queue);
    if (rules.overflow === "reject") this.refuseWithoutRoom(queue);
    else if (!queue.canMakeRoom(rules)) {
      const reason = "what is out or delayed takes all its room, and there is no other that could go";
      throw new WaybillError("QUEUE_FULL", `${queue.address} is full: ${reason}.`);
    }
  }

  /** @throws WaybillError `QUEUE_FULL` when the queue takes no message more unless others go. */
  refuseWithoutRoom(queue: QueueState): void {
    const rules = this.rulesOf(queue);
    if (!queue.isFull(rules)) return;
    const by = queue.total >= rules.maxMessages ? `${queue.total} messages` : `${queue.bytes} bytes`;
    const most = queue.total >= rules.maxMessages ? rules.maxMessages : rules.maxBytes;
    throw new WaybillError("QUEUE_FULL", `${queue.address} holds ${by}, and may hold ${most}.`);
  }

  private rulesOf(queue: QueueState): QueueRules {
    return this.ledger.settings.rules.of(queue.address);
  }

  private plan(message: NewMessage): Arrival | WaybillError {
    const { target, publisher } = message;
    try {
      if (isRoomAddress(target)) return this.planForRoom(message, target);
      const queue = this.ledger.directory.openQueue(target, publisher);
      this.refuseWhenFull(queue);
      return arriveInQueue(this.ledger, message, queue);
    } catch (error) {
      if (error instanceof WaybillError) return error;
      throw error;
    }
  }

  private planForRoom(message: NewMessage, address: RoomAddress): Arrival {
    const room = this.ledger.directory.openRoom(address, message.publisher);
    // Before the first copy is planned: a message goes to all members or to none.
    for (const inbox of room.inboxes().queues) this.refuseWhenFull(inbox);
    return arriveInRoom(this.ledger, message, room);
  }
}

/** Whether a failure is the answer to a batch as a whole: nothing of it was stored, or refused for a reason of its own. */
function isToldAsOne(failure: WaybillError, results: readonly AppendResult[]): boolean {
  return results.every((result) => "error" in result && result.error === failure);
}
