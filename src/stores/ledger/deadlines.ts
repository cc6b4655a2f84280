import { sizeOf } from "../../queue/message";
import type { Change, ExpiredRow, StoredMessage } from "./journal";
import type { Ledger } from "./ledger";
import type { Lane } from "./lane";
import type { QueueState } from "./queue-state";
import type { WaitingList } from "./waiting-list";

/** Due or expired messages handled at once. */
const SWEEP = 2_000;
/** How often in a row what is due is read: the rest waits for the next look, so that leases are looked at in between. */
const SWEEPS_IN_A_ROW = 16;

/** What the end of a message's time does beyond its queue. */
export interface DeadlineEvents {
  /** Many messages became ready at once. */
  becameReady(queue: QueueState): void;
  /** A dead letter was added. */
  died(queue: QueueState): void;
}

/** A message on disk whose time has passed. */
interface Ending {
  readonly row: ExpiredRow;
  readonly queue: QueueState;
  /** Where its place is kept; undefined: nowhere, it is delayed or past its lane's cursor. */
  readonly list: WaitingList | undefined;
}

/** Times that messages have: when they are due, and when they expire. */
export class Deadlines {
  /** Steps of the clock that the journal has not followed yet, each with the newest seq of the time before it. */
  private owed: readonly { readonly byMs: number; readonly lastSeq: number }[] = [];

  constructor(
    private readonly ledger: Ledger,
    private readonly events: DeadlineEvents,
  ) {}

  async makeDueReady(now: number): Promise<void> {
    const { ledger } = this;
    for (let sweep = 0; sweep < SWEEPS_IN_A_ROW && now >= ledger.nextDue; sweep++) {
      const { messages, next } = await ledger.journal.due(now, SWEEP);
      ledger.nextDue = next ?? Infinity;
      const touched = new Set<QueueState>();
      for (const message of messages) {
        const queue = ledger.directory.queueNo(message.queueNo);
        if (queue === undefined) continue;
        queue.endDelay(sizeOf(message));
        queue.admit(message);
        touched.add(queue);
      }
      for (const queue of touched) {
        this.events.becameReady(queue);
        ledger.hint(queue.address);
      }
    }
  }

  async endExpired(now: number): Promise<void> {
    const { ledger } = this;
    const { rows, next } = await ledger.journal.expired(now, SWEEP + this.leasedCount());
    ledger.nextExpiry = next ?? Infinity;
    const ends: Promise<void>[] = [];
    const onDisk: Ending[] = [];
    const held = new Set<Lane | WaitingList>();
    for (const row of rows) {
      const queue = ledger.directory.queueNo(row.queueNo);
      if (queue === undefined) continue;
      const lane = queue.lane(row.priority);
      if (row.delayed) {
        onDisk.push({ row, queue, list: undefined });
        continue;
      }
      const message = lane.covers(row.seq) ? queue.takeWaiting(row) : undefined;
      if (message) {
        ends.push(this.endInMemory(queue, message));
        continue;
      }
      const list = lane.covers(row.seq) ? queue.listWithPlaceOf(row) : undefined;
      // One that is out expires when it comes back.
      if (list === undefined && lane.covers(row.seq)) continue;
      // What is being read just now may be it.
      if (hold(list ?? lane, held)) onDisk.push({ row, queue, list });
      else ledger.lookForExpiryAt(now);
    }
    await Promise.all([...ends, this.endOnDisk(onDisk, held, now)]);
  }

  /** Ends a message that was taken out of memory because its time to live has passed. */
  endInMemory(queue: QueueState, message: StoredMessage): Promise<void> {
    const bytes = sizeOf(message);
    const end = this.endOf(queue, message);
    return this.ledger.journal.change([end]).then(
      () => this.countExpired(queue, { ...message, bytes }, end),
      () => {
        queue.putBack(message);
        this.ledger.lookForExpiryAt(message.expiresAt);
      },
    );
  }

  /** Whether the clock was set and the times of messages have not followed yet: nothing can be said to have expired. */
  get isBehind(): boolean {
    return this.owed.length > 0;
  }

  /** The clock was put forward by this many milliseconds: moves what was given as a duration. */
  async move(byMs: number): Promise<void> {
    const { ledger } = this;
    // Leases are nowhere else, so they follow at once.
    for (const queue of ledger.directory.allQueues()) {
      for (const lease of queue.leases.values()) lease.deadline += byMs;
      queue.earliestDeadline += byMs;
    }
    // What comes later is published by the new time.
    if (byMs !== 0) this.owed = [...this.owed, { byMs, lastSeq: ledger.lastSeq }];
    const { owed } = this;
    if (owed.length > 0) await ledger.journal.moveDeadlines(byMs);
    this.owed = this.owed.slice(owed.length);
    for (const message of this.messagesInMemory()) {
      for (const step of owed) {
        if (message.expiresAt !== undefined && message.seq <= step.lastSeq) message.expiresAt += step.byMs;
      }
    }
    ledger.nextDue = 0;
    ledger.nextExpiry = 0;
  }

  private *messagesInMemory(): Iterable<StoredMessage> {
    for (const queue of this.ledger.directory.allQueues()) {
      for (const { message } of queue.leases.values()) yield message;
      yield* queue.waitingInMemory();
    }
    for (const rows of this.ledger.arriving) {
      for (const row of rows) {
        yield row.message;
        if ("copies" in row) yield* row.copies.made();
      }
    }
  }

  /** Ends messages that are not in memory. What is held is not read meanwhile: what is ending must not go out. */
  private async endOnDisk(endings: readonly Ending[], held: Iterable<Lane | WaitingList>, now: number): Promise<void> {
    if (endings.length === 0) return;
    const ends = endings.map(({ row, queue }) => this.endOf(queue, row));
    try {
      await this.ledger.journal.change(ends);
    } catch (error) {
      this.ledger.lookForExpiryAt(now);
      throw error;
    } finally {
      for (const each of held) each.isBusy = false;
    }
    for (const [index, { row, queue, list }] of endings.entries()) {
      if (row.delayed) queue.endDelay(row.bytes);
      else if (list) queue.forgetPlace(row);
      else queue.lane(row.priority).forgetOnDisk();
      this.countExpired(queue, row, ends[index]);
    }
  }

  private endOf(queue: QueueState, row: StoredMessage | ExpiredRow): Change {
    const { id, attempts } = row;
    if (!this.ledger.settings.rules.of(queue.address).deadLetterExpired) {
      return { kind: "end", row, ending: { id, how: "expired", attempt: attempts, client: undefined } };
    }
    const { failures, lastError } = row;
    return { kind: "dead", row, failures, reason: "expired", error: lastError, lastHolder: undefined };
  }

  private countExpired(
    queue: QueueState,
    row: Pick<ExpiredRow, "group" | "seq" | "bytes">,
    end: Change | undefined,
  ): void {
    queue.takeOffTotal(row.bytes);
    queue.expired++;
    queue.freeGroup(row);
    if (end?.kind === "dead") {
      queue.dead++;
      this.events.died(queue);
    }
    this.ledger.hint(queue.address);
  }

  private leasedCount(): number {
    let count = 0;
    for (const queue of this.ledger.leasing) count += queue.leases.size;
    return count;
  }
}

/** Keeps a lane or list from being read. @returns whether it can: nothing else reads it just now. */
function hold(each: Lane | WaitingList, held: Set<Lane | WaitingList>): boolean {
  if (each.isBusy && !held.has(each)) return false;
  each.isBusy = true;
  held.add(each);
  return true;
}
