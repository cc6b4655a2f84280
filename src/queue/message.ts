/**
 * What the hub keeps: a message, and a delivery of it.
 *
 * ```
 * publish ──▶ ready ──lease──▶ leased ──ack──▶ done
 *   │          ▲ ▲               │ │
 *   ▼          │ └──release──────┘ └─ nack · lease ran out · holder gone past its grace
 * delayed ─────┘                          │
 *   ▲                                     ├─ failures left ──▶ delayed (backoff with jitter; none for a holder that went)
 *   │                                     └─ none left, or nack {dead} ──▶ dead
 *   └──────────────────────────────────────┘
 * ready or delayed ──ttl──▶ expired        any ──purge──▶ purged
 * ```
 *
 * `settlement.ts` makes every decision in this drawing; stores carry it out and check that the settler holds the lease.
 */
import { isInbox } from "../protocol/names";
import { DEAD_REASONS, type DeadReason } from "../protocol/wire";

/** A queue with its namespace: `/caps:driver`, `/:@acme-widgets`. Names have no colon, so the text is unambiguous. */
export type QueueAddress = string & { readonly brand: "QueueAddress" };
/** A room with its namespace: `/:room:north`. */
export type RoomAddress = string & { readonly brand: "RoomAddress" };

export function queueAddress(namespace: string, queue: string): QueueAddress {
  return `${namespace}:${queue}` as QueueAddress;
}

export function roomAddress(namespace: string, room: string): RoomAddress {
  return `${namespace}:room:${room}` as RoomAddress;
}

export function isRoomAddress(address: QueueAddress | RoomAddress): address is RoomAddress {
  return address.startsWith("room:", address.indexOf(":") + 1);
}

export function namespaceOf(address: QueueAddress | RoomAddress): string {
  return address.slice(0, address.indexOf(":"));
}

/** The queue's name as requests carry it; a room's is `room:<name>`. */
export function nameOf(address: QueueAddress | RoomAddress): string {
  return address.slice(address.indexOf(":") + 1);
}

/** The client whose inbox it is; undefined: it is a shared queue. */
export function inboxOwnerOf(address: QueueAddress): string | undefined {
  const name = nameOf(address);
  return isInbox(name) ? name.slice(1) : undefined;
}

/** The room's name as requests carry it. */
export function roomNameOf(address: RoomAddress): string {
  return nameOf(address).slice("room:".length);
}

export const PRIORITIES = 10;
export const DEFAULT_PRIORITY = 4;

/** What a publisher's request becomes before it is stored. */
export interface NewMessage {
  readonly target: QueueAddress | RoomAddress;
  /** The publisher's id, unique within the target inside the dedup window. */
  readonly id: string;
  /** Where it was published, if a route leads here from there: its id is unique in that place, and not in this one. */
  readonly origin?: QueueAddress | RoomAddress | undefined;
  readonly event: string;
  /** JSON text. Encoded once at the edge and carried as it is to the disk and to the consumer. */
  readonly payload: string;
  readonly priority: number;
  readonly group: string | undefined;
  /** JSON text of an object of strings. */
  readonly headers: string | undefined;
  readonly publisher: string;
  /** Milliseconds since the epoch, as are `dueAt` and `expiresAt`. */
  readonly publishedAt: number;
  /** Not delivered before; undefined: at once. */
  readonly dueAt: number | undefined;
  /** Whether `dueAt` is a time of day that the publisher named, rather than a delay: a step of the clock does not move it. */
  readonly isDueFixed: boolean;
  readonly expiresAt: number | undefined;
}

/** Between an id and where it is from: no id has this. */
const FROM = "\u0001";

/** What tells a copy that a route made from others of its target by which it was stored before; undefined: its id does. */
export function dedupIdOf({ id, origin }: Pick<NewMessage, "id" | "origin">): string | undefined {
  return origin === undefined ? undefined : `${id}${FROM}${origin}`;
}

/** A message in a queue. */
export interface Message {
  readonly seq: number;
  readonly queue: QueueAddress;
  readonly id: string;
  readonly event: string;
  readonly payload: string;
  readonly priority: number;
  readonly group: string | undefined;
  readonly headers: string | undefined;
  readonly publisher: string;
  readonly publishedAt: number;
  /** Milliseconds since the epoch; a step of the clock moves it. */
  expiresAt: number | undefined;
  /** Name of the room that it was published to. */
  readonly room: string | undefined;
  /** How often it was given out, counting what may have been given out before a crash: the next delivery's number less one. */
  attempts: number;
  /** How often a delivery of it ended in a nack, a lease that ran out, or a holder that went. Decides when it is dead. */
  failures: number;
  /** Why its last delivery failed, as its consumer or the hub said; undefined: none did. */
  lastError: string | undefined;
}

/** A message leased to one holder. `(id, attempt)` names it within its queue, and fences it. */
export interface Delivery {
  readonly message: Message;
  readonly attempt: number;
  /** The session that the lease belongs to, and its client. */
  readonly holder: string;
  readonly client: string;
  /** Milliseconds since the epoch at which the lease runs out. */
  deadline: number;
}

/** What a message costs in memory, roughly: its texts and a fixed overhead. Budgets are counted in this. */
export function sizeOf(message: Pick<Message, "payload" | "id" | "headers">): number {
  return 256 + message.payload.length + message.id.length + (message.headers?.length ?? 0);
}

// Where a store writes a reason as its place in this list, new ones go at its end.
export { DEAD_REASONS, type DeadReason };

/** A message that left its queue unprocessed. */
export interface DeadLetter {
  readonly message: Message;
  readonly reason: DeadReason;
  /** The client that had it when it died; undefined: nobody had, it expired or was pushed out. */
  readonly lastHolder: string | undefined;
  readonly diedAt: number;
}

/** Which dead letters of a queue: those that meet every condition given. */
export interface DeadSelection {
  readonly ids?: readonly string[] | undefined;
  readonly event?: string | undefined;
  readonly group?: string | undefined;
  readonly reason?: DeadReason | undefined;
  /** A part of what its consumer or the hub said of its last delivery. */
  readonly error?: string | undefined;
  /** Milliseconds since the epoch, both inclusive. */
  readonly diedFrom?: number | undefined;
  readonly diedUntil?: number | undefined;
  /** At most so many, the lowest seq first. */
  readonly limit?: number | undefined;
}

/** How a message ended for good. A dead letter has not ended: it can still be redriven. */
export type EndedHow = "acked" | "expired" | "purged";

/** The end of a message, as the journal of endings keeps it. */
export interface Ending {
  readonly id: string;
  readonly how: EndedHow;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The delivery that was acked, or the last one before the end; 0: it was never out. */
  readonly attempt: number;
  /** Who acked it. */
  readonly client: string | undefined;
}

/** Of a message that has to wait: the one that goes first. `id` is undefined where it has still to be read. */
export interface WaitsFor {
  readonly what: "group" | "namesake";
  readonly seq: number;
  readonly id: string | undefined;
}

/** Where the messages of an id are: those that go on, the newest first, then the dead ones, then those that ended. */
export interface Traces {
  readonly found: readonly Trace[];
  /** Whether there are more than are told: of each of the three only so many are. */
  readonly hasMore: boolean;
}

/** Where a message is, or how it ended. Of one that is on disk the payload is left out. */
export type Trace = { readonly queue: QueueAddress } & (
  | {
      readonly state: "ready";
      readonly message: Message;
      /** Ready messages that go before it, as far as is known without reading them. */
      readonly aheadAtLeast: number;
      /** What must end first: the message of its group that goes before it, or one of the same id that is out. */
      readonly waitsFor: WaitsFor | undefined;
    }
  | { readonly state: "delayed"; readonly message: Message; readonly dueAt: number }
  | { readonly state: "leased"; readonly message: Message; readonly delivery: Delivery }
  | { readonly state: "dead"; readonly message: Message; readonly letter: DeadLetter }
  | { readonly state: "ended"; readonly ending: Ending }
);
