import type { Durability } from "../protocol/wire";
import type { WaybillError } from "../protocol/errors";
import type {
  DeadLetter,
  DeadReason,
  DeadSelection,
  Delivery,
  NewMessage,
  QueueAddress,
  RoomAddress,
  Traces,
} from "./message";

/** What became of one appended message. `seq` grows with each message of its target, in the order of confirmation. */
export type AppendResult =
  { readonly status: "stored" | "duplicate"; readonly seq: number } | { readonly error: WaybillError };

/** One consumer's wish for deliveries. */
export interface LeaseRequest {
  /** The session that will hold the leases, and its client. */
  readonly holder: string;
  readonly client: string;
  /** Messages at most. */
  readonly limit: number;
  /** Bytes at most, as `sizeOf` counts; one message is given even where it alone is larger. */
  readonly limitBytes: number;
}

/** How a delivery ends, or goes on. Decided by `settlement.ts`; times are milliseconds since the epoch. */
export type Settlement =
  | { readonly action: "ack" }
  /** Back in its queue: at once, or when due. `error`, why it failed, counts it as a failure. */
  | { readonly action: "retry"; readonly dueAt: number | undefined; readonly error: string | undefined }
  | { readonly action: "dead"; readonly reason: DeadReason; readonly error: string }
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
 * `already`: that very delivery was acked before. `lost`: it does not hold it, nothing was changed. `failed`: it was being
 * acked already, and that was not stored: it is held as before.
 */
export type SettleResult = "done" | "already" | "lost" | "failed";

export interface QueueStats {
  readonly ready: number;
  readonly delayed: number;
  readonly leased: number;
  /** Bytes of all of these, as `sizeOf` counts. */
  readonly bytes: number;
  readonly dead: number;
  /** Messages that ended so since the store was made. */
  readonly expired: number;
  readonly purged: number;
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
 * Where messages live: four parts, each small and batch-first; every adapter passes the suite in `__tests__/conformance`.
 *
 * A method that changes something resolves when the change is as durable as `durability` says, and rejects with
 * `STORE_UNAVAILABLE` when it was not made, or, where the store is lost, when that is not known.
 */
export interface Store extends MessageStore, RoomStore, DeadLetterStore {
  readonly durability: Durability;

  /**
   * Calls `listener` when there may be something ready in a queue that gave less than it was asked for. Calls may be
   * missed: the dispatcher also polls.
   */
  onHint(listener: (queue: QueueAddress) => void): void;

  /** Writes and reads back, so that a health check speaks of the real thing. */
  probe(): Promise<void>;

  close(): Promise<void>;
}

export interface MessageStore {
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
   * The clock was put forward by this, or back if it is negative: moves every deadline along that was given as a duration.
   * Where it rejects, leases have moved and messages have not: the next call, with 0 if there was no step since, moves them.
   */
  moveDeadlines(byMs: number): Promise<void>;

  stats(queue: QueueAddress): Promise<QueueStats>;

  /** Where the messages of this id are, in one queue or in all of a namespace, and how those ended that did so of late. */
  trace(id: string, namespace: string, queue: QueueAddress | undefined): Promise<Traces>;
}

export interface RoomStore {
  /**
   * Puts an inbox in a room for good. With `since`, what the room's history holds from there goes into the inbox, in
   * order, without a gap or a double between it and what is published next.
   *
   * @param client who asks: a room that this makes counts as the client's. An inbox counts as its owner's.
   */
  join(room: RoomAddress, inbox: QueueAddress, since: Since | undefined, client: string): Promise<Membership>;
  /** Ends a membership as it is asked: nothing that comes after that goes to the inbox. Where it rejects, it will be stored later. */
  leave(room: RoomAddress, inbox: QueueAddress): Promise<Membership>;
}

export interface DeadLetterStore {
  /** Dead letters of a queue after this seq, in order. */
  deadLetters(
    queue: QueueAddress,
    selection: DeadSelection,
    limit: number,
    afterSeq: number,
  ): Promise<readonly DeadLetter[]>;
  /**
   * Makes dead letters ready again, without failures or an end of their time. With `everyMs` the first is due at `now`
   * and each further one that many milliseconds later. @returns how many.
   */
  redrive(queue: QueueAddress, selection: DeadSelection, now: number, everyMs: number): Promise<number>;
  /** Removes dead letters for good. @returns how many. */
  purge(queue: QueueAddress, selection: DeadSelection): Promise<number>;
}
