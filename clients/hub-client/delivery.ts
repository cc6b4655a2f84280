import type { ReadonlyIdTable } from "../../src/protocol/id-table";
import type { DeliveredMessage, Refused } from "../../src/protocol/wire";
import type { NackOptions } from "./nack";

/** What a handler can do about the delivery that it works on. */
export interface DeliveryControl {
  /**
   * Aborted when the lease is lost: revoked by the hub, not held any more after a reconnect, run out while the hub was
   * away, or the client was closed. Somebody else may then have the message.
   */
  readonly signal: AbortSignal;
  /**
   * Asks for a lease of this many milliseconds from now, and keeps asking for as many while the handler works. The
   * client does this by itself with the lease that the hub gave; it is for handlers that must know.
   *
   * @throws WaybillError `LEASE_LOST` when the delivery is not held any more; a retryable one when the hub could not say.
   */
  extend(leaseMs: number): Promise<void>;
}

/** What the hub is to be told of a finished delivery. */
export type Verdict = "ack" | NackOptions;

/** The consumer that a delivery is for. */
export interface DeliveryOwner {
  readonly queue: string;
  /** Every delivery of the queue that is not through, by id. */
  readonly deliveries: ReadonlyIdTable<Delivery>;
  extend(delivery: Delivery, leaseMs: number): Promise<void>;
  /** The hub knows what became of it: it is to be forgotten. */
  settled(delivery: Delivery): void;
  /** The hub says that this lease is not ours any more, or does not take our word on it. */
  lost(delivery: Delivery, reason: string): void;
  refused(refused: Refused): void;
}

/**
 * ```
 * waiting ──▶ handling ──handler is through──▶ settling ──hub has answered──▶ (forgotten)
 *    └── lost: forgotten  └── lost: goes on, is forgotten when through  └── lost: forgotten
 * ```
 * `Consumer` and its `Settler` move it along.
 */
export type DeliveryState = "waiting" | "handling" | "settling";

/** A message that this connection holds a lease on, or held when its handler was started. */
export class Delivery implements DeliveryControl {
  state: DeliveryState = "waiting";
  /** Why the lease is not ours any more; a redelivery makes it ours again. */
  lostBy: string | undefined;
  verdict: Verdict | undefined;
  /** Stands in the settler's line to be sent. */
  queued = false;
  attempt: number;
  /** Milliseconds to ask for when the lease is extended. */
  leaseMs: number;
  /** When the lease runs out, and when it is to be extended; on the monotonic clock, in milliseconds. */
  leaseEndsAt = 0;
  extendAt = 0;
  /** Its own: the message is its handler's, which may make another of it. */
  readonly id: string;
  readonly seq: number;
  private aborter: AbortController | undefined;
  private abortedBy: string | undefined;

  constructor(
    readonly message: DeliveredMessage,
    readonly owner: DeliveryOwner,
    now: number,
  ) {
    this.id = message.id;
    this.seq = message.seq;
    this.attempt = message.attempt;
    this.leaseMs = message.leaseMs;
    this.leasedFrom(now, message.leaseMs);
  }

  /** Made only for handlers that look at it: most do not, and a signal costs more than a delivery. */
  get signal(): AbortSignal {
    if (this.aborter === undefined) {
      this.aborter = new AbortController();
      if (this.abortedBy !== undefined) this.aborter.abort(new Error(this.abortedBy));
    }
    return this.aborter.signal;
  }

  /** A getter, so that a handler may take it out of the control and call it by itself. */
  get extend(): (leaseMs: number) => Promise<void> {
    return (leaseMs) => this.owner.extend(this, leaseMs);
  }

  /** Whether its owner still knows it, and no other under its id. */
  get isKnown(): boolean {
    return this.owner.deliveries.get(this.id) === this;
  }

  leasedFrom(now: number, leaseMs: number): void {
    this.leaseEndsAt = now + leaseMs;
    this.extendAt = now + leaseMs / 2;
  }

  /** The hub has given it again: the lease is ours, under this attempt. */
  renew(attempt: number, leaseMs: number, now: number): void {
    this.attempt = attempt;
    // What is given again to a resumed session has only the rest of its lease.
    this.leaseMs = Math.max(this.leaseMs, leaseMs);
    this.lostBy = undefined;
    this.leasedFrom(now, leaseMs);
  }

  lose(reason: string): void {
    this.lostBy = reason;
    this.abort(reason);
  }

  abort(reason: string): void {
    if (this.abortedBy !== undefined) return;
    this.abortedBy = reason;
    this.aborter?.abort(new Error(reason));
  }
}
