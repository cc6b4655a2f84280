/**
 * The shapes of wire protocol 1, as `docs/protocol.md` describes them. The hub reads what arrives through
 * `requests.ts`, the client library trusts what its hub answers.
 */
import type { WireError } from "./errors";

export const PROTOCOL_VERSION = 1;
/** A year: far enough for any reminder, near enough that a wrong unit (µs, ns) is noticed. */
export const MAX_DELAY_MS = 365 * 24 * 60 * 60 * 1000;

/** How a confirmed message is kept: fsynced to a disk, by other machines as well, or not at all past the process. */
export type Durability = "disk" | "replicated" | "memory";

export type Reply<Body extends object> = ({ ok: true } & Body) | { ok: false; error: WireError };

/** `auth` of the Socket.IO handshake. `session` is the one that the last `welcome` gave. */
export interface Handshake {
  clientId?: string;
  token?: string;
  session?: string;
  /** True: the argument of `deliver` may be a list, of the deliveries of several queues. */
  together?: boolean;
  /** True: the reply to a list of which there is the same to say of each says it once. */
  brief?: boolean;
}

/** What a publisher sends. Exactly one of `queue`, `room` and `client` says where to. */
export interface PublishMessage {
  /** The publisher's own id, for sending it again safely; the hub makes one up where it is left out. */
  id?: string;
  queue?: string;
  room?: string;
  client?: string;
  event: string;
  /** Any JSON value. */
  payload?: unknown;
  /** 0 to 9, 9 first; 4 where it is left out. */
  priority?: number;
  /** Messages of one group in one queue are out one at a time, in order. */
  group?: string;
  /** Milliseconds before it may be delivered. */
  delayMs?: number;
  /** ISO time with its zone, in place of `delayMs`: not delivered before. At most a year ahead. */
  deliverAt?: string;
  /** Milliseconds, after any delay, before it expires undelivered. */
  ttlMs?: number;
  headers?: Record<string, string>;
}

export type PublishRequest = PublishMessage | { messages: PublishMessage[] };
export type PublishResult =
  { id: string; seq: number; status: "stored" | "duplicate" } | { id?: string; error: WireError };
/** `seqs`, in a brief reply: all were stored now, under the ids that they came with. */
export type PublishReply = Reply<({ results: PublishResult[] } | { seqs: number[] }) & { durability: Durability }>;

export interface ConsumeRequest {
  /** Left out: the client's own inbox. */
  queue?: string;
  /** How many deliveries may be out unsettled at once. */
  prefetch?: number;
  /** True: while this consumer is there, one consumer of the queue at a time is dealt to, the one that came first. */
  exclusive?: boolean;
}
/** `active`, of a queue that deals to one consumer at a time: whether that is this one now. */
export type ConsumeReply = Reply<{ queue: string; ready: number; active?: boolean }>;

export interface CancelRequest {
  queue?: string;
}
export type CancelReply = Reply<{ queue: string }>;

/** Names one delivery, and fences it: a message given again has another `attempt`. */
export interface DeliveryRef {
  id: string;
  attempt: number;
}

/** A delivery of the queue that it names, or else of the request's. */
export interface SettleRef extends DeliveryRef {
  queue?: string;
}

export interface AckRequest {
  queue?: string;
  deliveries: SettleRef[];
}
export interface NackRequest extends AckRequest {
  /** Milliseconds before the next attempt; left out: the hub's backoff. */
  delayMs?: number;
  reason?: string;
  /** True: no further attempt, a dead letter now. */
  dead?: boolean;
  /** True: back at once as it came, with no failure counted; alone. */
  release?: boolean;
}
export interface ExtendRequest extends AckRequest {
  /** Milliseconds from now that the lease shall last. */
  leaseMs: number;
}
export type SettleError = { id: string; error: WireError };
/** `already`: the same ack was stored before. `dead`: a nack after which no attempt was left. */
export type SettleStatus = "acked" | "nacked" | "dead" | "extended" | "already";
/** `deadline`, an ISO time, after an extension. */
export type SettleOutcome = { id: string; status: SettleStatus; deadline?: string } | SettleError;
/** To `ack`, `nack` and `extend`. */
export type AckReply = Reply<{ results: SettleOutcome[] }>;
/** In brief, `all` is what became of each of them. */
export type SettleReply = AckReply | Reply<{ all: SettleStatus; deadline?: string }>;

export interface JoinRequest {
  room: string;
  /** Another client to put in, or take out, for an identity that may. */
  client?: string;
  /** Replay of the room's history into the inbox: after this `seq`, from this ISO time on, or all that is kept. */
  since?: number | string;
}
export interface LeaveRequest {
  room: string;
  client?: string;
}
export type RoomReply = Reply<{
  room: string;
  members: number;
  replayed?: number;
  missing?: { from: number; to: number; reason: string };
}>;

/**
 * Why a message is a dead letter: its consumer would not have it, no attempt was left, its time to live passed, or its
 * queue was full.
 */
export const DEAD_REASONS = ["refused", "attempts", "expired", "overflow"] as const;
export type DeadReason = (typeof DEAD_REASONS)[number];

/** Dead letters of a queue, for an operator: those that meet every condition given, of all that died until now. */
export interface DeadConditions {
  queue: string;
  ids?: string[];
  event?: string;
  group?: string;
  reason?: DeadReason;
  /** A part of the letter's `error`. */
  error?: string;
  /** ISO times, both inclusive. */
  diedFrom?: string;
  diedUntil?: string;
}

/** A page of dead letters, by `seq`. */
export interface DeadRequest extends DeadConditions {
  /** Dead letters at the most; 100 where it is left out. */
  limit?: number;
  /** Those after this `seq`: the last one of the page before. */
  afterSeq?: number;
}
export interface DeadLetterMessage {
  id: string;
  seq: number;
  event: string;
  payload: unknown;
  group?: string;
  /** The room that it was published to. */
  room?: string;
  headers?: Record<string, string>;
  publishedAt: string;
  publisher: string;
  reason: DeadReason;
  /** What its last consumer said when it gave it back, or the hub of the last delivery. */
  error?: string;
  /** How often it was given out, and how many of those deliveries failed. */
  attempts: number;
  failures: number;
  /** `clientId` of who had it when it died; nobody has what expires or is pushed out. */
  lastHolder?: string;
  diedAt: string;
}
/** `total`: dead letters of the queue, whatever was asked for. */
export type DeadReply = Reply<{ queue: string; total: number; messages: DeadLetterMessage[] }>;

export interface PurgeRequest extends DeadConditions {
  /** At most so many, the lowest `seq` first. */
  max?: number;
}
export type PurgeReply = Reply<{ queue: string; purged: number }>;

export interface RedriveRequest extends PurgeRequest {
  /** How many of them become ready each second; left out: all at once. */
  perSecond?: number;
}
export type RedriveReply = Reply<{ queue: string; redriven: number }>;

/** Where the messages of this id are, for an operator. */
export interface WhyRequest {
  id: string;
  /** Left out: in every queue of the namespace. */
  queue?: string;
}
/** Of a message that is still there. Times are ISO times. */
interface Traced {
  queue: string;
  id: string;
  seq: number;
  event: string;
  publishedAt: string;
  publisher: string;
  group?: string;
  /** How often it was given out, and how many of those deliveries failed. */
  attempts: number;
  failures: number;
  /** What its last consumer said when it gave it back, or the hub of the last delivery. */
  error?: string;
  /** Why it does not move, for people. */
  stuck?: string;
}
/** How a message ended for good. */
export interface EndedMessage {
  queue: string;
  id: string;
  state: "ended";
  how: "acked" | "expired" | "purged";
  at: string;
  /** The delivery that was acked, or the last one before the end; 0: it was never out. */
  attempt: number;
  /** Who acked it. */
  client?: string;
}
export type TracedMessage =
  | (Traced & { state: "ready" })
  | (Traced & { state: "delayed"; dueAt: string })
  | (Traced & { state: "leased"; leasedBy: { client: string; attempt: number; until: string } })
  | (Traced & { state: "dead"; reason: DeadReason; diedAt: string; lastHolder?: string })
  | EndedMessage;
/**
 * Those that go on, the newest first, then dead letters, then those that are gone, 20 of each at the most; empty where
 * nothing is known of the id. `more`: there are more than these.
 */
export type WhyReply = Reply<{ messages: TracedMessage[]; more?: true }>;

export interface Limits {
  /** Bytes of one message's payload as JSON. */
  maxPayloadBytes: number;
  /** Messages in one `publish`, deliveries in one `ack`, `nack` or `extend`. */
  maxBatch: number;
  /** Bytes of one Socket.IO packet; a longer one ends the connection. */
  maxPacketBytes: number;
  maxPrefetch: number;
}

/** First event on every connection. */
export interface Welcome {
  protocol: typeof PROTOCOL_VERSION;
  hubId: string;
  clientId: string;
  /** To be shown in the next handshake, so that a short cut costs no lease. */
  session: string;
  /** True when the leases of the session that was shown are still held. */
  resumed: boolean;
  durability: Durability;
  limits: Limits;
}

export interface DeliveredMessage {
  id: string;
  seq: number;
  event: string;
  payload: unknown;
  attempt: number;
  /** Present, and true, when this message may have been delivered before. */
  redelivered?: true;
  /** ISO time of the hub's confirmation. */
  publishedAt: string;
  /** `clientId` of who published it. */
  publisher: string;
  /** Milliseconds from now in which it must be settled or extended. */
  leaseMs: number;
  priority?: number;
  group?: string;
  /** The room that it was published to. */
  room?: string;
  headers?: Record<string, string>;
}

export interface Deliver {
  queue: string;
  messages: DeliveredMessage[];
}

export interface Revoked {
  queue: string;
  deliveries: DeliveryRef[];
  reason: string;
}

export interface Drain {
  reason: string;
  reconnectAfterMs: number;
}

/** Answer to a request that came without a callback to answer through. */
export interface Refused {
  event: string;
  error: WireError;
}

export interface HubToClientEvents {
  welcome: (welcome: Welcome) => void;
  deliver: (deliver: Deliver | Deliver[]) => void;
  revoked: (revoked: Revoked) => void;
  drain: (drain: Drain) => void;
  refused: (refused: Refused) => void;
}

export interface ClientToHubEvents {
  publish: (request: PublishRequest, reply: (reply: PublishReply) => void) => void;
  consume: (request: ConsumeRequest, reply: (reply: ConsumeReply) => void) => void;
  cancel: (request: CancelRequest, reply: (reply: CancelReply) => void) => void;
  ack: (request: AckRequest, reply: (reply: SettleReply) => void) => void;
  nack: (request: NackRequest, reply: (reply: SettleReply) => void) => void;
  extend: (request: ExtendRequest, reply: (reply: SettleReply) => void) => void;
  join: (request: JoinRequest, reply: (reply: RoomReply) => void) => void;
  leave: (request: LeaveRequest, reply: (reply: RoomReply) => void) => void;
  dead: (request: DeadRequest, reply: (reply: DeadReply) => void) => void;
  redrive: (request: RedriveRequest, reply: (reply: RedriveReply) => void) => void;
  purge: (request: PurgeRequest, reply: (reply: PurgeReply) => void) => void;
  why: (request: WhyRequest, reply: (reply: WhyReply) => void) => void;
}
