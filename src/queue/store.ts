import type { Durability } from "../protocol/wire";
import type { WaybillError } from "../protocol/errors";
import type { DeadLetter, Delivery, NewMessage, QueueAddress, RoomAddress } from "./message";

/** What became of one appended message. `seq` grows with each message of its target, in the order of confirmation. */
export type AppendResult =
  { readonly status: "stored" | "duplicate"; readonly seq: number } | { readonly error: WaybillError };

/** One consumer's wish for deliveries. */
export interface LeaseRequest {
  /** The session that will hold the leases. */
  readonly holder: string;
  /** Messages at most. */
  readonly limit: number;
  /** Bytes at most, as `sizeOf` counts; one message is given even where it alone is larger. */
  readonly limitBytes: number;
}

/** How a delivery ends, or goes on. Decided by `settlement.ts`; times are milliseconds since the epoch. */
export type Settlement =
  | { readonly action: "ack" }
  /** Back in its queue: at once, or when due. `failed` counts it as a failure. */
  | { readonly action: "retry"; readonly dueAt: number | undefined; readonly failed: boolean }
  | { readonly action: "dead"; readonly reason: string }
  | { readonly action: "extend"; readonly deadline: number };

/** A settlement of one delivery by the holder that it was given to. */
export interface SettleRequest {
  readonly queue: QueueAddress;
  readonly id: string;
  readonly attempt: number;
  readonly holder: string;
  readonly settlement: Settlement;
}

/**
 * `already`: that very delivery was acked before. `lost`: it does not hold it, nothing was changed.
 */
export type SettleResult = "done" | "already" | "lost";

export interface QueueStats {
  readonly ready: number;
  readonly delayed: number;
  readonly leased: number;
  readonly dead: number;
  /** Messages that ended so since the hub's file was made. */
  readonly expired: number;
}

/** From where a room's history is wanted: after a seq, from a time on (milliseconds since the epoch), or all that is kept. */
export type Since = { readonly afterSeq: number } | { readonly fromTime: number } | "all";

/** History that was asked for and is no longer kept: seqs, both inclusive. */
export interface HistoryGap {
  readonly from: number;
  readonly to: number;
}

export interface Membership {
  readonly members: number;
  /** History messages that were put in the member's inbox. */
  readonly replayed: number;
  readonly missing: HistoryGap | undefined;
}

/**
 * Where messages live. Small and batch-first; every adapter passes the suite in `__tests__/conformance`.
 *
 * A method that changes something resolves when the change is as durable as `durability` says, and rejects with
 * `STORE_UNAVAILABLE` when it was not made.
 */
export interface Store {
  readonly durability: Durability;

  /** Stores the batch whole, in order. Idempotent per `(target, id)` inside the dedup window. A room's message goes to each member's inbox. */
  append(messages: readonly NewMessage[]): Promise<readonly AppendResult[]>;

  /**
   * Leases ready messages, by priority and then in order, dealing them out one by one to the requests in turn. A group
   * with a message out gives none. What it returns is fenced against a crash: its attempt is never given out again.
   */
  lease(
    queue: QueueAddress,
    requests: readonly LeaseRequest[],
    now: number,
    leaseMs: number,
  ): Promise<readonly Delivery[]>;

  /** Settles deliveries, each on its own. One result for each, in order. */
  settle(requests: readonly SettleRequest[]): Promise<readonly SettleResult[]>;

  /** Makes due messages ready, ends those whose time to live has passed, and returns the deliveries whose lease ran out: the caller settles them. */
  expire(now: number): Promise<readonly Delivery[]>;

  /**
   * Puts an inbox in a room for good. With `since`, what the room's history holds from there goes into the inbox, in
   * order, without a gap or a double between it and what is published next.
   */
  join(room: RoomAddress, inbox: QueueAddress, since: Since | undefined): Promise<Membership>;
  leave(room: RoomAddress, inbox: QueueAddress): Promise<Membership>;

  stats(queue: QueueAddress): Promise<QueueStats>;
  /** Dead letters of a queue after this seq, in order. */
  deadLetters(queue: QueueAddress, limit: number, afterSeq: number): Promise<readonly DeadLetter[]>;
  /** Makes dead letters ready again, without failures or an end of their time: those of `ids`, or all. @returns how many. */
  redrive(queue: QueueAddress, ids: readonly string[] | undefined): Promise<number>;
  /** Removes dead letters for good. @returns how many. */
  purge(queue: QueueAddress, ids: readonly string[] | undefined): Promise<number>;

  /** Calls `listener` when there may be something ready in a queue. Calls may be missed: the dispatcher also polls. */
  onHint(listener: (queue: QueueAddress) => void): void;

  /** Writes and reads back, so that a health check speaks of the real thing. */
  probe(): Promise<void>;

  close(): Promise<void>;
}
