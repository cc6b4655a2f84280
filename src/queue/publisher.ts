import { randomUUID } from "node:crypto";
import { toWireError, WaybillError } from "../protocol/errors";
import { inboxOf } from "../protocol/names";
import type { PublishMessage, PublishResult } from "../protocol/wire";
import type { Clock } from "./clock";
import type { Identity } from "./identity";
import {
  DEFAULT_PRIORITY,
  queueAddress,
  roomAddress,
  type NewMessage,
  type QueueAddress,
  type RoomAddress,
} from "./message";
import { describeTarget, type RouteTable } from "./routes";
import type { Session } from "./session";
import type { AppendResult, Store } from "./store";

export interface PublishSettings {
  /** Bytes of one message's payload as JSON. */
  readonly maxPayloadBytes: number;
  /** Publishes waiting to be stored, in payload bytes, past which more are refused. */
  readonly maxUnconfirmedBytes: number;
}

/** Takes publishes to the store: checks what their identity allows, and adds the copies that routes ask for. */
export class Publisher {
  /** Bytes of payload on their way to the store. */
  private unconfirmedBytes = 0;

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly settings: PublishSettings,
    private readonly routes: RouteTable,
  ) {}

  /** Nothing is on its way to the store. */
  get idle(): boolean {
    return this.unconfirmedBytes === 0;
  }

  async publish({ identity, namespace }: Session, messages: readonly PublishMessage[]): Promise<PublishResult[]> {
    const plan = this.plan(identity, namespace, messages);
    const bytes = plan.append.reduce((sum, message) => sum + message.payload.length, 0);
    if (this.unconfirmedBytes > 0 && this.unconfirmedBytes + bytes > this.settings.maxUnconfirmedBytes) {
      throw new WaybillError(
        "RATE_LIMITED",
        `${this.unconfirmedBytes} bytes of publishes are waiting to be stored: publish again later.`,
      );
    }
    this.unconfirmedBytes += bytes;
    try {
      const appended = plan.append.length > 0 ? await this.store.append(plan.append) : [];
      return plan.parts.map((part) => ("error" in part ? part : resultOf(part, appended)));
    } finally {
      this.unconfirmedBytes -= bytes;
    }
  }

  private plan(identity: Identity, namespace: string, messages: readonly PublishMessage[]): PublishPlan {
    const now = this.clock.now();
    const plan: PublishPlan = { append: [], parts: [] };
    for (const message of messages) {
      const id = message.id ?? randomUUID();
      const name = describeTarget(message);
      if (!identity.mayPublish(name)) {
        const error = new WaybillError("FORBIDDEN", `${identity.clientId} may not publish to "${name}".`);
        plan.parts.push({ id, error: error.toWire() });
        continue;
      }
      const payload = writePayload(message.payload, this.settings.maxPayloadBytes);
      if (payload instanceof WaybillError) {
        plan.parts.push({ id, error: payload.toWire() });
        continue;
      }
      const target = addressOf(namespace, message);
      const first = plan.append.length;
      const stored = newMessage(message, id, target, payload, identity.clientId, now);
      plan.append.push(stored);
      for (const copy of this.routes(target, message.event)) plan.append.push({ ...stored, target: copy });
      plan.parts.push({ id, first, end: plan.append.length });
    }
    return plan;
  }
}

/** Where each message of a batch, with its routed copies, stands among those to append; or why it does not. */
interface PublishPlan {
  readonly append: NewMessage[];
  readonly parts: (PublishPart | Extract<PublishResult, { error: unknown }>)[];
}
interface PublishPart {
  readonly id: string;
  readonly first: number;
  readonly end: number;
}

/** A message is stored when it and all its routed copies are: after a failure, sending it again completes it. */
function resultOf({ id, first, end }: PublishPart, appended: readonly AppendResult[]): PublishResult {
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

function newMessage(
  message: PublishMessage,
  id: string,
  target: QueueAddress | RoomAddress,
  payload: string,
  publisher: string,
  now: number,
): NewMessage {
  const dueAt = message.delayMs !== undefined && message.delayMs > 0 ? now + message.delayMs : undefined;
  return {
    target,
    id,
    event: message.event,
    payload,
    priority: message.priority ?? DEFAULT_PRIORITY,
    group: message.group,
    headers: message.headers && JSON.stringify(message.headers),
    publisher,
    publishedAt: now,
    dueAt,
    expiresAt: message.ttlMs === undefined ? undefined : (dueAt ?? now) + message.ttlMs,
  };
}

/** Whether the text is longer than this in UTF-8. A character is 1 to 3 bytes, so most texts need no counting. */
function exceedsBytes(text: string, limit: number): boolean {
  return text.length > limit || (text.length * 3 > limit && Buffer.byteLength(text) > limit);
}
