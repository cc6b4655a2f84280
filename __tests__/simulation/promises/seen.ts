import type { DeliveryRef, PublishMessage } from "../../../src/protocol/wire";
import type { QueueRules } from "../../../src/queue/queue-rules";
import type { Answer } from "../history";

/** What was asked to be published under an id. */
export interface Spec {
  readonly id: string;
  /** A queue's name, or `room:<name>`. */
  readonly target: string;
  readonly message: PublishMessage;
  readonly publisher: string;
  /** When it was asked for, first and last; by its first storing its times are counted. */
  readonly firstAskedAt: number;
  lastAskedAt: number;
  readonly hub: number;
}

/** A session, as its connections show it. */
export interface SessionSeen {
  readonly id: string;
  readonly client: string;
  readonly hub: number;
  connection: number | undefined;
  detachedAt: number;
  /** How often its connection ended. */
  detached: number;
}

export interface ConnectionSeen {
  readonly no: number;
  readonly session: SessionSeen;
  open: boolean;
}

/** One delivery to one session, until it is over. */
export interface Hold {
  readonly attempt: number;
  readonly session: SessionSeen;
  readonly hub: number;
  readonly queue: string;
  /** How often its session had lost its connection before. */
  readonly detached: number;
  /** When it was given. */
  readonly step: number;
  /** When its lease ends, at the earliest. */
  endsAt: number;
  /** Requests of its holder to settle it that may still succeed, or have. */
  readonly settling: Set<Ask>;
  settled: boolean;
  revoked: boolean;
}

/** A message in a queue, as it was seen: by its confirmation, or by its first delivery. */
export interface Life {
  readonly queue: string;
  readonly seq: number;
  readonly id: string;
  readonly spec: Spec | undefined;
  confirmed: boolean;
  /** The newest one; undefined: it was never given out. */
  hold: Hold | undefined;
  sends: number;
  /** The connection that it was sent to last. */
  sentTo: number;
  acked: boolean;
  /** Its holder asked for that, and was not refused. */
  readonly ackAsked: Set<Ask>;
  /** It may have become a dead letter, or was thrown away as one. */
  mayBeDead: boolean;
}

/** A holder's wish to settle what it holds. */
export interface Claim {
  readonly life: Life;
  readonly hold: Hold;
  /** It has asked for something else before, and that is not answered. */
  readonly isSecond: boolean;
}

/** A request under way, or answered. */
export interface Ask {
  readonly connection: ConnectionSeen;
  readonly request: string;
  readonly argument: Readonly<Record<string, unknown>>;
  readonly at: number;
  readonly wall: number;
  readonly hub: number;
  /** Holds that were its client's to settle as it came in. */
  readonly rightful: Map<DeliveryRef, Claim>;
  answer: Answer | undefined;
}

/** Rules of the hub under test that the promises depend on. */
export interface Terms {
  rulesOf(queue: string): QueueRules;
  readonly graceMs: number;
  readonly prefetchBytes: number;
  readonly dedupWindowMs: number;
  readonly historyMessages: number;
}

/** A promise that does not hold. */
export interface Breach {
  readonly promise: string;
  readonly what: string;
  /** The message that it is about. */
  readonly id: string;
  readonly at: number;
}
