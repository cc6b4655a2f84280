import type { Clock } from "../../queue/clock";
import type { QueueAddress } from "../../queue/message";
import type { RuleBook } from "../../queue/queue-rules";
import { Directory, type DirectoryLimits } from "./directory";
import type { AppendRow, Journal, RoomAppendRow, Snapshot } from "./journal";
import { MemoryBudget } from "./memory-budget";
import type { QueueState } from "./queue-state";

export interface LedgerSettings extends DirectoryLimits {
  /** What each queue may hold, and what becomes of its messages. */
  readonly rules: Pick<RuleBook, "of">;
  /** Ready messages of all queues that are kept in memory, in bytes; the rest is paged in. */
  readonly residentBytes: number;
  /** Ready messages of one priority of one queue that are kept in memory. */
  readonly laneWindow: number;
  /** Messages of a room's history that are kept. */
  readonly historyMessages: number;
}

/** What the parts of a ledger share: the queues as they stand, and when to look at them again. */
export class Ledger {
  readonly directory: Directory;
  readonly budget: MemoryBudget;
  /** Queues that may have something out, each once. No `Set`, and none for what follows: see `IdTable`. */
  private leasingQueues: QueueState[] = [];
  /** Messages on their way to the disk. */
  readonly arriving: (readonly (AppendRow | RoomAppendRow)[])[] = [];
  lastSeq = 0;
  /** Nothing is due, or expires, before. */
  nextDue = Infinity;
  nextExpiry = Infinity;
  /** Says that there may be something ready in a queue. */
  hint: (queue: QueueAddress) => void = () => {};

  constructor(
    readonly journal: Journal,
    readonly settings: LedgerSettings,
    readonly clock: Pick<Clock, "soon">,
  ) {
    this.budget = new MemoryBudget(settings.residentBytes);
    this.directory = new Directory(journal, settings, this.budget);
  }

  get leasing(): readonly QueueState[] {
    return this.leasingQueues;
  }

  /** Something of a queue may be out from now on. */
  noteLeasing(queue: QueueState): void {
    if (queue.isLeasing) return;
    queue.isLeasing = true;
    this.leasingQueues.push(queue);
  }

  /** Forgets the queues that have nothing out. */
  dropSettled(): void {
    this.leasingQueues = this.leasingQueues.filter((queue) => (queue.isLeasing = queue.leases.size > 0));
  }

  restore(snapshot: Snapshot): void {
    this.lastSeq = snapshot.lastSeq;
    this.nextDue = snapshot.nextDue ?? Infinity;
    this.nextExpiry = snapshot.nextExpiry ?? Infinity;
    this.directory.restore(snapshot);
  }

  lookForDueAt(time: number | undefined): void {
    if (time !== undefined && time < this.nextDue) this.nextDue = time;
  }

  lookForExpiryAt(time: number | undefined): void {
    if (time !== undefined && time < this.nextExpiry) this.nextExpiry = time;
  }
}
