import { WaybillError } from "../protocol/errors";
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
  type NewMessage,
  type QueueAddress,
  type RoomAddress,
} from "./message";
import { PublishPlan } from "./publish-plan";
import { PublishRate } from "./publish-rate";
import { describeTarget, type RouteTable } from "./routes";
import type { Session } from "./session";
import type { Store } from "./store";

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
  private gathered: Gathered | undefined;

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
    return this.unconfirmedBytes === 0 && this.gathered === undefined;
  }

  async publish(session: Session, messages: readonly PublishMessage[]): Promise<PublishResult[]> {
    this.rate.take(session.identity.clientId, messages.length);
    // What came before goes before.
    this.storeGathered();
    const plan = new PublishPlan();
    const now = this.clock.now();
    for (const message of messages) this.plan(plan, session, message, now);
    const { unconfirmedBytes } = this;
    if (!this.hasRoomFor(plan.bytes, unconfirmedBytes)) throw noRoom(unconfirmedBytes);
    return this.carryOut(plan);
  }

  /**
   * Stores a message that came alone. All of one turn of the event loop go to the store together: what is done once for a
   * list would else be done for each of them.
   *
   * @throws WaybillError `RATE_LIMITED`.
   */
  publishAlone(session: Session, message: PublishMessage): Promise<PublishResult> {
    this.rate.take(session.identity.clientId, 1);
    const { sessions, messages, results } = (this.gathered ??= this.gather());
    const place = messages.push(message) - 1;
    sessions.push(session);
    return results.then((all) => all[place] ?? NO_RESULT);
  }

  /** Sends what came alone in this turn on its way to the store. */
  storeGathered(): void {
    const { gathered } = this;
    if (gathered === undefined) return;
    this.gathered = undefined;
    const plan = new PublishPlan();
    const now = this.clock.now();
    for (const [place, message] of gathered.messages.entries()) {
      const session = gathered.sessions[place];
      if (session === undefined) continue;
      const before = this.unconfirmedBytes + plan.bytes;
      this.plan(plan, session, message, now);
      if (!this.hasRoomFor(this.unconfirmedBytes + plan.bytes - before, before)) plan.refuseLast(noRoom(before));
    }
    gathered.answer(this.carryOut(plan));
  }

  private gather(): Gathered {
    let answer: Gathered["answer"] = () => {};
    const results = new Promise<PublishResult[]>((resolve) => (answer = resolve));
    this.clock.soon(() => this.storeGathered());
    return { sessions: [], messages: [], results, answer };
  }

  /** Whether so many bytes may go to the store beside others. Alone they may be as many as they like. */
  private hasRoomFor(bytes: number, others: number): boolean {
    return others === 0 || others + bytes <= this.settings.maxUnconfirmedBytes;
  }

  /** Given the plan alone: what else a suspended function knows, here all that was received, is kept in memory meanwhile. */
  private async carryOut(plan: PublishPlan): Promise<PublishResult[]> {
    const { bytes } = plan;
    this.unconfirmedBytes += bytes;
    try {
      return plan.results(plan.append.length > 0 ? await this.store.append(plan.append) : []);
    } finally {
      this.unconfirmedBytes -= bytes;
    }
  }

  private plan(plan: PublishPlan, { identity, namespace }: Session, message: PublishMessage, now: number): void {
    const id = message.id ?? this.ids.next();
    const stored = this.prepare(identity, namespace, message, id, now);
    if (stored instanceof WaybillError) return plan.refuse(id, stored);
    const copies = this.routes(stored.target, message.event);
    plan.add(
      stored,
      copies.map((target) => ({ ...stored, target, origin: stored.target })),
    );
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

/** Messages that came alone in one turn, and the sessions that they came from. */
interface Gathered {
  readonly sessions: Session[];
  readonly messages: PublishMessage[];
  readonly results: Promise<PublishResult[]>;
  readonly answer: (results: Promise<PublishResult[]>) => void;
}

const NO_RESULT: PublishResult = { error: new WaybillError("INTERNAL", "The store gave no answer.").toWire() };

function noRoom(waiting: number): WaybillError {
  return new WaybillError(
    "RATE_LIMITED",
    `${waiting} bytes of publishes are waiting to be stored: publish again later.`,
  );
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
