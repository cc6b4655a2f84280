import { sizeOf, type DeadLetter, type DeadSelection, type QueueAddress } from "../../queue/message";
import type { Change, StoredMessage } from "./journal";
import { isFull } from "./intake";
import type { Ledger } from "./ledger";
import type { QueueState } from "./queue-state";

/** Dead letters handled at once. */
const SWEEP = 2_000;

/** What the making of dead letters needs of the rest of the ledger. */
export interface DeadRecordsEvents {
  /** Many messages became ready at once. */
  becameReady(queue: QueueState): void;
  /** What is needed next is on disk. */
  pageIn(queue: QueueState): void;
}

/** Dead letters: shown, put back, thrown away, and made where a queue overflows. */
export class DeadRecords {
  /** Queues whose oldest are on their way out, or whose oldest dead letters are. */
  private readonly making = new Set<QueueState>();
  private readonly trimming = new Set<QueueState>();

  constructor(
    private readonly ledger: Ledger,
    private readonly events: DeadRecordsEvents,
  ) {}

  list(
    address: QueueAddress,
    selection: DeadSelection,
    limit: number,
    afterSeq: number,
  ): Promise<readonly DeadLetter[]> {
    const queue = this.ledger.directory.queue(address);
    if (queue === undefined) return Promise.resolve([]);
    return this.ledger.journal.deadLetters(queue.no, selection, limit, afterSeq);
  }

  /** @param refuseWhenFull throws when the queue takes no message more. */
  async redrive(
    address: QueueAddress,
    selection: DeadSelection,
    now: number,
    everyMs: number,
    refuseWhenFull: (queue: QueueState) => void,
  ): Promise<number> {
    const { directory, journal } = this.ledger;
    const queue = directory.queue(address);
    if (queue === undefined) return 0;
    // What dies again meanwhile waits for the next redrive.
    const diedBy = this.ledger.clock.now();
    const wanted = selection.limit ?? Infinity;
    let redriven = 0;
    for (let more = true; more;) {
      refuseWhenFull(queue);
      const limit = Math.min(SWEEP, wanted - redriven);
      const spread = everyMs > 0 ? { from: now + redriven * everyMs, everyMs } : undefined;
      const messages = await journal.redrive(queue.no, selection, diedBy, limit, spread);
      for (const message of messages) this.revive(queue, message, spread !== undefined);
      redriven += messages.length;
      if (spread) this.ledger.lookForDueAt(spread.from);
      else if (messages.length > 0) this.events.becameReady(queue);
      if (messages.length > 0) this.ledger.hint(address);
      more = messages.length === limit && redriven < wanted;
    }
    return redriven;
  }

  async purge(address: QueueAddress, selection: DeadSelection): Promise<number> {
    const queue = this.ledger.directory.queue(address);
    if (queue === undefined) return 0;
    const wanted = selection.limit ?? Infinity;
    let purged = 0;
    for (let more = true; more;) {
      const limit = Math.min(SWEEP, wanted - purged);
      const count = await this.ledger.journal.purge(queue.no, selection, limit);
      countPurged(queue, count);
      purged += count;
      more = count === limit && purged < wanted;
    }
    return purged;
  }

  /** Purges the oldest dead letters of a queue that has more than it may. Returns at once. */
  trim(queue: QueueState): void {
    const excess = queue.dead - this.ledger.settings.rules.of(queue.address).maxDeadLetters;
    if (excess <= 0 || this.trimming.has(queue)) return;
    this.trimming.add(queue);
    this.ledger.journal.purge(queue.no, {}, excess).then(
      (count) => {
        this.trimming.delete(queue);
        countPurged(queue, count);
        // More may have died meanwhile; where nothing was found, there is nothing to be done about it.
        if (count > 0) this.trim(queue);
      },
      // The next death tries again.
      () => this.trimming.delete(queue),
    );
  }

  /** Makes dead letters of the oldest messages of a queue that holds more than its rules allow. Returns at once. */
  makeRoom(queue: QueueState): void {
    if (this.making.has(queue)) return;
    const rules = this.ledger.settings.rules.of(queue.address);
    const dropped: StoredMessage[] = [];
    while (isFull(queue, rules, 1)) {
      const message = queue.takeOldest();
      if (message === undefined) break;
      dropped.push(message);
      queue.takeOffTotal(sizeOf(message));
    }
    // What waits on disk alone is read first: its turn comes with the next message.
    this.events.pageIn(queue);
    if (dropped.length === 0) return;
    this.making.add(queue);
    this.ledger.journal.change(dropped.map(overflowed)).then(
      () => {
        this.making.delete(queue);
        for (const message of dropped) {
          queue.dead++;
          queue.freeGroup(message);
        }
        this.trim(queue);
        if (isFull(queue, rules, 1)) this.makeRoom(queue);
      },
      () => {
        this.making.delete(queue);
        for (const message of dropped) {
          queue.addToTotal(message);
          queue.putBack(message);
        }
      },
    );
  }

  /** A dead letter is a message of its queue again. */
  private revive(queue: QueueState, message: StoredMessage, delayed: boolean): void {
    queue.dead--;
    queue.addToTotal(message);
    if (delayed) queue.delayed++;
    else queue.admit(message);
  }
}

function countPurged(queue: QueueState, count: number): void {
  queue.dead -= count;
  queue.purged += count;
}

function overflowed(message: StoredMessage): Change {
  const { failures, lastError } = message;
  return { kind: "dead", row: message, failures, reason: "overflow", error: lastError, lastHolder: undefined };
}
