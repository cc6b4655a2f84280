import { toWireError, WaybillError, type WireError } from "../protocol/errors";
import { MAX_DELAY_MS } from "../protocol/fields";
import { MessageIds } from "../protocol/message-ids";
import { inboxOf } from "../protocol/names";
import type { PublishMessage, PublishResult } from "../protocol/wire";
import type { Clock } from "./clock";
import type { Identity } from "./identity";
import {
  DEFAULT_PRIORITY,
  queueAddress,
  roomAddress,
  sizeOf,
  type NewMessage,
  type QueueAddress,
  type RoomAddress,
} from "./message";
import { PublishRate } from "./publish-rate";
import { describeTarget, type RouteTable } from "./routes";
import type { Session } from "./session";
import type { AppendResult, Store } from "./store";

export interface PublishSettings {
  /** Bytes of one message's payload as JSON. */
  readonly maxPayloadBytes: number;
  /** Publishes waiting to be stored, in bytes as `sizeOf` counts, past which more are refused. */
  readonly maxUnconfirmedBytes: number;
  /** Messages that one client may publish a second; 0: as many as it likes. */
  readonly maxPublishPerSecond: number;
}

/** Takes publishes to the store: checks what their identity allows, and adds the copies that routes ask for. */
export class Publisher {
  /** Bytes on their way to the store, as `sizeOf` counts: many messages without a payload are no less work. */
  private unconfirmedBytes = 0;
  private readonly rate: PublishRate;
  /** For messages that come without one. */
  private readonly ids = new MessageIds();

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly settings: PublishSettings,
    private readonly routes: RouteTable,
  ) {
    this.rate = new PublishRate(settings.maxPublishPerSecond, clock);
  }

  /** Nothing is on its way to the store. */
  get idle(): boolean {
    return this.unconfirmedBytes === 0;
  }

  async publish({ identity, namespace }: Session, messages: readonly PublishMessage[]): Promise<PublishResult[]> {
    this.rate.take(identity.clientId, messages.length);
    const plan = this.plan(identity, namespace, messages);
    const bytes = plan.append.reduce((sum, message) => sum + sizeOf(message), 0);
    if (this.unconfirmedBytes > 0 && this.unconfirmedBytes + bytes > this.settings.maxUnconfirmedBytes) {
      throw new WaybillError(
        "RATE_LIMITED",
        `${this.unconfirmedBytes} bytes of publishes are waiting to be stored: publish again later.`,
      );
    }
    this.unconfirmedBytes += bytes;
    try {
      const appended = plan.append.length > 0 ? await this.store.append(plan.append) : [];
      return plan.ids.map((id, index) => {
        const error = plan.refused?.get(index);
        return error ? { id, error } : resultOf(id, plan.ends[index - 1] ?? 0, plan.ends[index] ?? 0, appended);
      });
    } finally {
      this.unconfirmedBytes -= bytes;
    }
  }

  private plan(identity: Identity, namespace: string, messages: readonly PublishMessage[]): PublishPlan {
    const now = this.clock.now();
    const plan: PublishPlan = { append: [], ids: [], ends: [], refused: undefined };
    for (const message of messages) {
      const id = message.id ?? this.ids.next();
      const stored = this.prepare(identity, namespace, message, id, now);
      if (stored instanceof WaybillError) {
        (plan.refused ??= new Map()).set(plan.ids.length, stored.toWire());
      } else {
        plan.append.push(stored);
        for (const copy of this.routes(stored.target, message.event)) {
          plan.append.push({ ...stored, target: copy, origin: stored.target });
        }
      }
      plan.ids.push(id);
      plan.ends.push(plan.append.length);
    }
    return plan;
  }

  /** @returns the message as it is to be stored, or why it is not. */
  private prepare(
    identity: Identity,
    namespace: string,
    message: PublishMessage,
    id: string,
    now: number,
  ): NewMessage | WaybillError {
    const name = describeTarget(message);
    if (!identity.mayPublish(name)) {
      return new WaybillError("FORBIDDEN", `${identity.clientId} may not publish to "${name}".`);
    }
    const payload = writePayload(message.payload, this.settings.maxPayloadBytes);
    if (payload instanceof WaybillError) return payload;
    const due = dueTimeOf(message, now);
    if (due instanceof WaybillError) return due;
    return newMessage(message, id, addressOf(namespace, message), payload, due, identity.clientId, now);
  }
}

/** What becomes of a batch, by the places of its messages. */
interface PublishPlan {
  /** Each message with its routed copies behind it. */
  readonly append: NewMessage[];
  readonly ids: string[];
  /** Where in the list to append those of each message end: they begin where those before it end. */
  readonly ends: number[];
  /** Where there are any. */
  refused: Map<number, WireError> | undefined;
}

/** A message is stored when it and all its routed copies are: after a failure, sending it again completes it. */
function resultOf(id: string, first: number, end: number, appended: readonly AppendResult[]): PublishResult {
  for (let index = first; index < end; index++) {
    const result = appended[index];
    if (result === undefined || "error" in result) return { id, error: toWireError(result?.error) };
  }
  const own = appended[first];
  if (own === undefined || "error" in own) return { id, error: toWireError(own?.error) };
  return { id, seq: own.seq, status: own.status };
}

function addressOf(namespace: string, message: PublishMessage): QueueAddress | RoomAddress {
  if (message.room !== undefined) return roomAddress(namespace, message.room);
  return queueAddress(namespace, message.client !== undefined ? inboxOf(message.client) : (message.queue ?? ""));
}

/** @returns the payload as JSON text, or why it is refused. */
function writePayload(payload: unknown, maxPayloadBytes: number): string | WaybillError {
  let text: string;
  try {
    text = JSON.stringify(payload ?? null);
  } catch (error) {
    // Reading JSON has no limit of depth, writing it has the stack's.
    return new WaybillError("INVALID", "payload must not be nested this deeply.", { cause: error });
  }
  if (!exceedsBytes(text, maxPayloadBytes)) return text;
  return new WaybillError("TOO_LARGE", `payload is over maxPayloadBytes (${maxPayloadBytes}).`);
}

type DueTime = Pick<NewMessage, "dueAt" | "isDueFixed">;

const AT_ONCE: DueTime = { dueAt: undefined, isDueFixed: false };

/** @returns when it may be delivered, a time of day that has passed being at once; or why it is refused. */
function dueTimeOf({ delayMs, deliverAt }: PublishMessage, now: number): DueTime | WaybillError {
  if (deliverAt !== undefined) {
    const dueAt = Date.parse(deliverAt);
    if (dueAt <= now) return AT_ONCE;
    // Not so either when it is no time at all.
    if (dueAt <= now + MAX_DELAY_MS) return { dueAt, isDueFixed: true };
    return new WaybillError("INVALID", `deliverAt must be at most a year ahead; given: ${deliverAt}.`);
  }
  return delayMs !== undefined && delayMs > 0 ? { dueAt: now + delayMs, isDueFixed: false } : AT_ONCE;
}

function newMessage(
  message: PublishMessage,
  id: string,
  target: QueueAddress | RoomAddress,
  payload: string,
  due: DueTime,
  publisher: string,
  now: number,
): NewMessage {
  return {
    target,
    id,
    origin: undefined,
    event: message.event,
    payload,
    priority: message.priority ?? DEFAULT_PRIORITY,
    group: message.group,
    headers: message.headers && JSON.stringify(message.headers),
    publisher,
    publishedAt: now,
    dueAt: due.dueAt,
    isDueFixed: due.isDueFixed,
    expiresAt: message.ttlMs === undefined ? undefined : (due.dueAt ?? now) + message.ttlMs,
  };
}

/** Whether the text is longer than this in UTF-8. A character is 1 to 3 bytes, so most texts need no counting. */
function exceedsBytes(text: string, limit: number): boolean {
  return text.length > limit || (text.length * 3 > limit && Buffer.byteLength(text) > limit);
}
