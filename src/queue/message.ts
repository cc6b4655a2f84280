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
  readonly expiresAt: number | undefined;
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
  readonly expiresAt: number | undefined;
  /** Name of the room that it was published to. */
  readonly room: string | undefined;
  /** How often it was given out, counting what may have been given out before a crash: the next delivery's number less one. */
  attempts: number;
  /** How often a delivery of it ended in a nack, a lease that ran out, or a holder that went. Decides when it is dead. */
  failures: number;
}

/** A message leased to one holder. `(id, attempt)` names it within its queue, and fences it. */
export interface Delivery {
  readonly message: Message;
  readonly attempt: number;
  /** The session that the lease belongs to. */
  readonly holder: string;
  /** Milliseconds since the epoch at which the lease runs out. */
  deadline: number;
}

/** What a message costs in memory, roughly: its texts and a fixed overhead. Budgets are counted in this. */
export function sizeOf(message: Pick<Message, "payload" | "id" | "headers">): number {
  return 256 + message.payload.length + message.id.length + (message.headers?.length ?? 0);
}

/** A message that left its queue unprocessed. */
export interface DeadLetter {
  readonly message: Message;
  readonly reason: string;
  readonly lastHolder: string | undefined;
  readonly diedAt: number;
}
