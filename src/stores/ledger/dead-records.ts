import { sizeOf, type DeadLetter, type DeadSelection, type QueueAddress } from "../../queue/message";
import type { Change, Journal, StoredMessage } from "./journal";
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
  /** Queues whose oldest are on their way out, and those whose oldest have to be read first. */
  private readonly making = new Set<QueueState>();
  private readonly unread = new Set<QueueState>();
  /** How many calls that take dead letters away are under way: only afterwards can it be said how many there are. */
  private readonly removing = new Map<QueueState, number>();

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

  /** @param refuseWithoutRoom throws when the queue takes no message more. */
  async redrive(
    address: QueueAddress,
    selection: DeadSelection,
    now: number,
    everyMs: number,
    refuseWithoutRoom: (queue: QueueState) => void,
  ): Promise<number> {
    const { directory, journal, settings } = this.ledger;
    const queue = directory.queue(address);
    if (queue === undefined) return 0;
    const wanted = selection.limit ?? Infinity;
    let redriven = 0;
    // What dies again meanwhile is behind it, and waits for the next redrive.
    let afterSeq = 0;
    for (let more = true; more;) {
      const rules = settings.rules.of(address);
      if (redriven === 0) refuseWithoutRoom(queue);
      else if (queue.isFull(rules)) break;
      const limit = Math.min(SWEEP, Math.max(1, rules.maxMessages - queue.total), wanted - redriven);
      const spread = everyMs > 0 ? { from: now + redriven * everyMs, everyMs } : undefined;
      const messages = await this.remove(queue, async () => {
        const revived = await journal.redrive(queue.no, selection, afterSeq, limit, spread);
        for (const message of revived) this.revive(queue, message, spread !== undefined);
        return revived;
      });
      redriven += messages.length;
      afterSeq = messages[messages.length - 1]?.seq ?? afterSeq;
      if (spread) this.ledger.lookForDueAt(spread.from);
      else if (messages.length > 0) this.events.becameReady(queue);
      if (messages.length > 0) this.ledger.hint(address);
      more = messages.length > 0 && redriven < wanted;
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
      const count = await this.purgeSome(queue, (journal) => journal.purge(queue.no, selection, limit));
      purged += count;
      more = count === limit && purged < wanted;
    }
    return purged;
  }

  /** Purges the dead letters that died first, of a queue that has more than it may. Returns at once. */
  trim(queue: QueueState): void {
    const excess = queue.dead - this.ledger.settings.rules.of(queue.address).maxDeadLetters;
    if (excess <= 0 || this.removing.has(queue)) return;
    // What is left is looked at when it is done; when it failed, by the next death.
    const limit = Math.min(SWEEP, excess);
    this.purgeSome(queue, (journal) => journal.purgeOldest(queue.no, limit)).catch(() => {});
  }

  /**
   * Makes dead letters of the oldest messages of a queue that holds more than its rules allow, of those that wait for
   * another one last. Returns at once.
   */
  makeRoom(queue: QueueState): void {
    if (this.making.has(queue)) return;
    this.unread.delete(queue);
    const rules = this.ledger.settings.rules.of(queue.address);
    if (rules.overflow !== "drop-oldest") return;
    const dropped: StoredMessage[] = [];
    // One that alone is too large stays: it was confirmed, and nothing is won when it goes.
    while (queue.isOverfull(rules) && queue.total > 1) {
      const message = queue.takeOldest() ?? queue.takeOldestAside();
      if (message === "unread") this.unread.add(queue);
      if (message === "unread" || message === undefined) break;
      dropped.push(message);
      queue.takeOffTotal(sizeOf(message));
    }
    this.events.pageIn(queue);
    if (dropped.length === 0) return;
    this.making.add(queue);
    this.ledger.journal.change(dropped.map(overflowed)).then(
      () => this.endMaking(queue, dropped),
      () => {
        // The next message tries again.
        this.making.delete(queue);
        for (const message of dropped) {
          queue.addToTotal(sizeOf(message));
          queue.putBack(message);
          this.ledger.lookForExpiryAt(message.expiresAt);
        }
      },
    );
  }

  /** Something of the queue was read: perhaps what has to go. */
  readIn(queue: QueueState): void {
    if (this.unread.has(queue)) this.makeRoom(queue);
  }

  private endMaking(queue: QueueState, dropped: readonly StoredMessage[]): void {
    this.making.delete(queue);
    for (const message of dropped) {
      queue.dead++;
      queue.freeGroup(message);
    }
    this.trim(queue);
    this.ledger.hint(queue.address);
    this.makeRoom(queue);
  }

  private purgeSome(queue: QueueState, purge: (journal: Journal) => Promise<number>): Promise<number> {
    return this.remove(queue, async () => {
      const count = await purge(this.ledger.journal);
      queue.dead -= count;
      queue.purged += count;
      return count;
    });
  }

  /** Takes dead letters away. Meanwhile none are trimmed. */
  private async remove<Removed>(queue: QueueState, carryOut: () => Promise<Removed>): Promise<Removed> {
    this.removing.set(queue, (this.removing.get(queue) ?? 0) + 1);
    let failed = true;
    try {
      const removed = await carryOut();
      failed = false;
      return removed;
    } finally {
      const others = (this.removing.get(queue) ?? 1) - 1;
      if (others > 0) this.removing.set(queue, others);
      else this.removing.delete(queue);
      if (!failed) this.trim(queue);
    }
  }

  /** A dead letter is a message of its queue again. */
  private revive(queue: QueueState, message: StoredMessage, delayed: boolean): void {
    queue.dead--;
    queue.addToTotal(sizeOf(message));
    if (delayed) queue.delay(sizeOf(message));
    else queue.admit(message);
  }
}

function overflowed(message: StoredMessage): Change {
  const { failures, lastError } = message;
  return { kind: "dead", row: message, failures, reason: "overflow", error: lastError, lastHolder: undefined };
}
