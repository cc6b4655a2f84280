import { sizeOf } from "../../queue/message";
import type { Settlement, SettleRequest, SettleResult } from "../../queue/store";
import type { Change } from "./journal";
import type { Ledger } from "./ledger";
import type { Lease, QueueState, SettleBatch } from "./queue-state";
import { RecentDeliveries } from "./recent-deliveries";

/** What a settlement does beyond its queue. */
export interface SettlementEvents {
  /** A dead letter was added. */
  died(queue: QueueState): void;
  /** A message is no longer out: a full queue may have taken another in the meantime, and found none that could go. */
  cameBack(queue: QueueState): void;
}

/** What becomes of a message by a settlement. */
type Outcome = Exclude<Change, { readonly kind: "count" }>;

/** A settlement on its way to the disk. */
interface Settling {
  readonly lease: Lease;
  readonly queue: QueueState;
  readonly change: Outcome;
}

/** What holders say of their deliveries: only the holder of a lease may settle it, once, and that counts when it is stored. */
export class Settlements {
  private readonly recent = new RecentDeliveries();

  constructor(
    private readonly ledger: Ledger,
    private readonly events: SettlementEvents,
  ) {}

  async settle(requests: readonly SettleRequest[]): Promise<readonly SettleResult[]> {
    const results: SettleResult[] = [];
    const settling: Settling[] = [];
    const changes: Change[] = [];
    const batch: SettleBatch = { stored: undefined };
    /** Acks that were said before and are on their way: "already" is answered only when that is stored. */
    const seconds: { readonly index: number; readonly first: SettleBatch }[] = [];
    for (const request of requests) {
      const queue = this.ledger.directory.queue(request.queue);
      const lease = queue?.leases.get(request.id);
      if (
        queue === undefined ||
        lease === undefined ||
        lease.attempt !== request.attempt ||
        lease.holder !== request.holder
      ) {
        results.push(queue && this.wasAcked(queue, request) ? "already" : "lost");
        continue;
      }
      if (lease.settling !== undefined) {
        const isSecondAck = request.settlement.action === "ack" && lease.settling.action === "ack";
        if (isSecondAck) seconds.push({ index: results.length, first: lease.settling.batch });
        results.push(isSecondAck ? "already" : "lost");
        continue;
      }
      results.push("done");
      if (request.settlement.action === "extend") {
        lease.deadline = request.settlement.deadline;
        queue.earliestDeadline = Math.min(queue.earliestDeadline, lease.deadline);
        continue;
      }
      lease.settling = { action: request.settlement.action, batch };
      const change = changeFor(lease, request.settlement);
      settling.push({ lease, queue, change });
      changes.push(change);
    }
    if (changes.length > 0) batch.stored = this.commit(changes, settling);
    await batch.stored;
    for (const { index, first } of seconds) {
      await first.stored?.catch(() => {
        results[index] = "failed";
      });
    }
    return results;
  }

  /**
   * The attempt under which a message of this id was given out last, and that is over; 0: none is known. What is given out
   * next has a higher one: a settlement that is sent again must not end another message.
   */
  lastAttempt(queue: QueueState, id: string): number {
    return this.recent.lastAttempt(queue.no, id);
  }

  /** Takes a delivery back that nobody has got, with as many attempts as its message had before. */
  takeBack(queue: QueueState, lease: Lease, attempts: number): void {
    const { message } = lease;
    // Meanwhile it may have ended.
    if (queue.leases.get(message.id) !== lease || lease.settling !== undefined) return;
    message.attempts = attempts;
    this.comeBack(queue, lease, false);
  }

  /** Whether this is the ack of a delivery that was acked before. */
  private wasAcked(queue: QueueState, { id, attempt, settlement }: SettleRequest): boolean {
    return settlement.action === "ack" && this.recent.wasAcked(queue.no, id, attempt);
  }

  private async commit(changes: readonly Change[], settling: readonly Settling[]): Promise<void> {
    try {
      await this.ledger.journal.change(changes);
    } catch (error) {
      for (const { lease } of settling) lease.settling = undefined;
      throw error;
    }
    for (const each of settling) this.applySettlement(each);
  }

  private applySettlement({ lease, queue, change }: Settling): void {
    const { message } = lease;
    this.recent.add(queue.no, message.id, lease.attempt, change.kind === "end");
    let mayBeReady: boolean;
    switch (change.kind) {
      case "end":
        queue.takeOffTotal(sizeOf(message));
        mayBeReady = queue.endLease(lease);
        break;
      case "dead":
        queue.takeOffTotal(sizeOf(message));
        queue.dead++;
        mayBeReady = queue.endLease(lease);
        this.events.died(queue);
        break;
      case "retry":
        message.failures = change.failures;
        message.lastError = change.error;
        this.ledger.lookForDueAt(change.dueAt);
        mayBeReady = this.comeBack(queue, lease, change.dueAt !== undefined);
    }
    if (mayBeReady) this.ledger.hint(queue.address);
  }

  /** @returns whether it or another may be ready now. */
  private comeBack(queue: QueueState, lease: Lease, delayed: boolean): boolean {
    // Its time may have passed while it was out.
    this.ledger.lookForExpiryAt(lease.message.expiresAt);
    const mayBeReady = queue.returnLease(lease, delayed);
    this.events.cameBack(queue);
    return mayBeReady;
  }
}

function changeFor(lease: Lease, settlement: Exclude<Settlement, { action: "extend" }>): Outcome {
  const { message, attempt, client } = lease;
  switch (settlement.action) {
    case "ack":
      return { kind: "end", row: message, ending: { id: message.id, how: "acked", attempt, client } };
    case "dead": {
      const { reason, error } = settlement;
      return { kind: "dead", row: message, failures: message.failures + 1, reason, error, lastHolder: client };
    }
    case "retry": {
      const { dueAt, error } = settlement;
      const failures = message.failures + (error === undefined ? 0 : 1);
      return { kind: "retry", message, dueAt, failures, error: error ?? message.lastError };
    }
  }
}
