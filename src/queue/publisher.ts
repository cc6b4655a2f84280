import { WaybillError } from "../protocol/errors";
import { MessageIds } from "../protocol/message-ids";
import { inboxOf } from "../protocol/names";
import { isNestedDeeper, MAX_NESTING } from "../protocol/nesting";
import { MAX_DELAY_MS, type PublishMessage, type PublishResult } from "../protocol/wire";
import type { Clock } from "./clock";
import {
  DEFAULT_PRIORITY,
  isRoomAddress,
  queueAddress,
  roomAddress,
  sizeOf,
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
    return this.unconfirmedBytes === 0;
  }

  async publish(session: Session, messages: readonly PublishMessage[]): Promise<PublishResult[]> {
    this.rate.take(session.identity.clientId, messages.length);
    // What came before goes before.
    this.storeGathered();
    const plan = new PublishPlan();
    const now = this.clock.now();
    for (const message of messages) {
      const id = message.id ?? this.ids.next();
      const stored = this.prepare(session, message, id, now);
      if (stored instanceof WaybillError) plan.refuse(id, stored);
      else plan.add(stored, this.routes(stored.target, stored.event));
    }
    this.reserve(plan.bytes);
    return this.carryOut(plan);
  }

  /**
   * Stores a message that came alone. All that are received together go to the store together: what is done once for a list
   * would else be done for each of them.
   *
   * @throws WaybillError where it is refused at once.
   */
  publishAlone(session: Session, message: PublishMessage): Promise<PublishResult> {
    this.rate.take(session.identity.clientId, 1);
    const stored = this.prepare(session, message, message.id ?? this.ids.next(), this.clock.now());
    if (stored instanceof WaybillError) throw stored;
    const copies = this.routes(stored.target, stored.event);
    this.reserve(sizeOf(stored) * (1 + copies.length));
    if (isRoomAddress(stored.target) || copies.some(isRoomAddress)) return this.storeApart(stored, copies);
    const { plan, sessions, results } = (this.gathered ??= this.gather());
    const place = plan.add(stored, copies);
    sessions.add(session);
    if (plan.bytes >= GATHERED_BYTES) this.storeGathered();
    return results.then((all) => all[place] ?? NO_RESULT);
  }

  /**
   * Sends what came alone, and has been gathered, on its way to the store.
   *
   * @param session where something of it came from this one; left out: in any case.
   */
  storeGathered(session?: Session): void {
    const { gathered } = this;
    if (gathered === undefined || (session !== undefined && !gathered.sessions.has(session))) return;
    this.gathered = undefined;
    gathered.answer(this.carryOut(gathered.plan));
  }

  /** Nobody else is to wait until all members of a room have theirs. */
  private storeApart(message: NewMessage, copies: readonly NewMessage["target"][]): Promise<PublishResult> {
    this.storeGathered();
    const plan = new PublishPlan();
    plan.add(message, copies);
    return this.carryOut(plan).then(([result]) => result ?? NO_RESULT);
  }

  private gather(): Gathered {
    let answer: Gathered["answer"] = () => {};
    const results = new Promise<PublishResult[]>((resolve) => (answer = resolve));
    // When all that was received with it has been taken in, but before anything else: later, it would miss its turn's post to the
    // storage thread, and with it that post's commit.
    queueMicrotask(() => this.storeGathered());
    return { plan: new PublishPlan(), sessions: new Set(), results, answer };
  }

  /**
   * Counts bytes as on their way to the store.
   *
   * @throws WaybillError `RATE_LIMITED` when there are too many already. What comes alone may be of any size.
   */
  private reserve(bytes: number): void {
    const waiting = this.unconfirmedBytes;
    if (waiting > 0 && waiting + bytes > this.settings.maxUnconfirmedBytes) {
      throw new WaybillError(
        "RATE_LIMITED",
        `${waiting} bytes of publishes are waiting to be stored: publish again later.`,
      );
    }
    this.unconfirmedBytes += bytes;
  }

  /** Given the plan alone: what else a suspended function knows, here all that was received, is kept in memory meanwhile. */
  private async carryOut(plan: PublishPlan): Promise<PublishResult[]> {
    try {
      return plan.results(plan.append.length > 0 ? await this.store.append(plan.append) : []);
    } finally {
      this.unconfirmedBytes -= plan.bytes;
    }
  }

  /** @returns the message as it is to be stored, or why it is not. */
  private prepare(
    { identity, namespace }: Session,
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

/** Bytes of what came alone, as `sizeOf` counts, past which it goes to the store without waiting for more. */
const GATHERED_BYTES = 2 ** 20;

/** Messages that came alone, and together. */
interface Gathered {
  readonly plan: PublishPlan;
  readonly sessions: Set<Session>;
  readonly results: Promise<PublishResult[]>;
  readonly answer: (results: Promise<PublishResult[]>) => void;
}

const NO_RESULT: PublishResult = { error: new WaybillError("INTERNAL", "The store gave no answer.").toWire() };

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
    return tooDeep(error);
  }
  if (exceedsBytes(text, maxPayloadBytes)) {
    return new WaybillError("TOO_LARGE", `payload is over maxPayloadBytes (${maxPayloadBytes}).`);
  }
  return isNestedDeeper(text, MAX_NESTING) ? tooDeep() : text;
}

/** What is stored can be written within whatever tells of it, and read by any client. */
function tooDeep(cause?: unknown): WaybillError {
  return new WaybillError("INVALID", `payload must not be nested deeper than ${MAX_NESTING}.`, { cause });
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
