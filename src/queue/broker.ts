import { randomUUID } from "node:crypto";
import { toWireError, WaybillError } from "../protocol/errors";
import type {
  DeliveryRef,
  PublishMessage,
  PublishResult,
  SettleError,
  SettleOutcome,
  SettleStatus,
} from "../protocol/wire";
import type { Clock, Timer } from "./clock";
import { Dispatcher } from "./dispatcher";
import type { Identity } from "./identity";
import {
  DEFAULT_PRIORITY,
  queueAddress,
  roomAddress,
  type Delivery,
  type NewMessage,
  type QueueAddress,
  type RoomAddress,
  type DeadLetter,
} from "./message";
import { inboxOf } from "../protocol/names";
import type { Receiver } from "./receiver";
import { describeTarget, type RouteTable } from "./routes";
import { Session } from "./session";
import { settleAbandoned, settleLapsed, settleNack, type Nack, type RetryPolicy } from "./settlement";
import type { AppendResult, Membership, Settlement, SettleRequest, SettleResult, Since, Store } from "./store";

export interface BrokerSettings {
  readonly leaseMs: number;
  /** Milliseconds that a dropped connection's leases wait for its client to come back. */
  readonly graceMs: number;
  readonly retry: RetryPolicy;
  /** Bytes that one consumer may have out of one queue. */
  readonly prefetchBytes: number;
  /** Bytes of one message's payload as JSON. */
  readonly maxPayloadBytes: number;
  /** Milliseconds between looks for what is due, expired, lapsed or was missed by a hint. */
  readonly tickMs: number;
  /** Publishes waiting to be stored, in payload bytes, past which more are refused. */
  readonly maxUnconfirmedBytes: number;
  /** Queues that one session may consume at once. */
  readonly maxConsumersPerSession: number;
}

/** What the broker tells of itself; the hub puts its log behind it. */
export interface BrokerEvents {
  /** Something failed that no reply can carry. */
  failed(what: string, error: unknown): void;
}

/**
 * The hub's word on queues: who may do what, what is stored before it is confirmed, who holds which lease and what
 * becomes of it. Knows no sockets and no disk.
 */
export class Broker {
  private readonly dispatcher: Dispatcher;
  private readonly sessions = new Map<string, Session>();
  private readonly graces = new Map<Session, Timer>();
  private ticking: Timer | undefined;
  private unconfirmedBytes = 0;
  private draining = false;
  private closed = false;

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly settings: BrokerSettings,
    private readonly routes: RouteTable,
    private readonly events: BrokerEvents,
    private readonly random: () => number = Math.random,
  ) {
    this.dispatcher = new Dispatcher(store, clock, settings, {
      leasing: (queue, error) => events.failed(`leasing from ${queue}`, error),
      unwanted: (queue, deliveries) => void this.settleAll(queue, deliveries, () => RELEASE),
    });
    this.scheduleTick();
  }

  /** How confirmed messages are kept. */
  get durability(): Store["durability"] {
    return this.store.durability;
  }

  /**
   * Stores messages and says what became of each, in order. Resolves when every stored one is durable. While the hub
   * drains, only sessions that hold deliveries may publish: some have to before they can ack, and the drain waits for it.
   *
   * @param messages as the protocol's schema has read them.
   */
  async publish(session: Session, messages: readonly PublishMessage[]): Promise<PublishResult[]> {
    if (this.closed || session.heldCount === 0) this.refuseWhileDraining();
    const plan = this.planPublish(session.identity, session.namespace, messages);
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

  /** Opens a session for a connection, or gives it the one that it shows and that still waits for its client. */
  connect(
    namespace: string,
    identity: Identity,
    receiver: Receiver,
    shown: string | undefined,
  ): { session: Session; resumed: boolean } {
    const former = shown === undefined ? undefined : this.sessions.get(shown);
    if (former && former.namespace === namespace && former.identity.clientId === identity.clientId) {
      this.graces.get(former)?.cancel();
      this.graces.delete(former);
      // Where the former connection is still there: the new one is dealt nothing before it asks for it.
      this.dispatcher.removeAll(former);
      former.attach(receiver, identity);
      return { session: former, resumed: true };
    }
    const session = new Session(randomUUID(), namespace, identity, receiver);
    this.sessions.set(session.id, session);
    return { session, resumed: false };
  }

  /** A connection is gone. Its consumers end now, its leases after the grace, unless its client comes back before. */
  disconnect(session: Session, receiver: Receiver): void {
    if (!session.detach(receiver)) return;
    this.dispatcher.removeAll(session);
    if (this.closed) return;
    if (session.heldCount === 0) {
      this.sessions.delete(session.id);
      return;
    }
    this.graces.set(
      session,
      this.clock.setTimer(() => this.endSession(session), this.settings.graceMs),
    );
  }

  /** @returns how many messages are ready in the queue. */
  async consume(session: Session, queueName: string, prefetch: number): Promise<number> {
    this.refuseWhileDraining();
    if (!session.identity.mayConsume(queueName)) {
      throw new WaybillError("FORBIDDEN", `${session.identity.clientId} may not consume "${queueName}".`);
    }
    const queue = queueAddress(session.namespace, queueName);
    const { connection } = session;
    const { ready } = await this.store.stats(queue);
    // Guard against a connection that went while the store answered: one that has taken its place asks for itself.
    if (connection === undefined || session.connection !== connection) {
      throw new WaybillError("LEASE_LOST", "The connection is gone.");
    }
    if (
      !this.dispatcher.consumes(queue, session) &&
      this.dispatcher.queueCount(session) >= this.settings.maxConsumersPerSession
    ) {
      throw new WaybillError(
        "LIMIT_REACHED",
        `A connection may consume ${this.settings.maxConsumersPerSession} queues at once.`,
      );
    }
    const isNew = this.dispatcher.add(queue, session, prefetch);
    if (isNew) session.giveAgain(queue);
    // After the reply, so that a consumer knows its queue before its first delivery.
    setImmediate(() => this.dispatcher.deal(queue));
    return ready;
  }

  /** Ends a consumer. What it holds stays with it until settled. */
  cancel(session: Session, queueName: string): void {
    this.dispatcher.remove(queueAddress(session.namespace, queueName), session);
  }

  async ack(session: Session, queueName: string, refs: readonly DeliveryRef[]): Promise<SettleOutcome[]> {
    const queue = queueAddress(session.namespace, queueName);
    const requests = refs.map((ref) => settleRequest(session, queue, ref, ACK));
    return this.settle(session, queue, requests, "acked");
  }

  async nack(session: Session, queueName: string, refs: readonly DeliveryRef[], nack: Nack): Promise<SettleOutcome[]> {
    const queue = queueAddress(session.namespace, queueName);
    const now = this.clock.now();
    const decide = (delivery: Delivery) => settleNack(delivery.message, nack, this.settings.retry, now, this.random);
    return this.settleHeld(session, queue, refs, decide, "nacked");
  }

  /** @returns for each delivery its new deadline, in milliseconds since the epoch. */
  async extend(
    session: Session,
    queueName: string,
    refs: readonly DeliveryRef[],
    leaseMs: number,
  ): Promise<{ deadline: number; results: SettleOutcome[] }> {
    const queue = queueAddress(session.namespace, queueName);
    const deadline = this.clock.now() + leaseMs;
    const results = await this.settleHeld(session, queue, refs, () => ({ action: "extend", deadline }), "extended");
    return { deadline, results };
  }

  async join(
    session: Session,
    room: string,
    clientId: string | undefined,
    since: Since | undefined,
  ): Promise<Membership> {
    this.refuseWhileDraining();
    const inbox = this.memberInbox(session, room, clientId, "put another client in");
    if (inbox.own && !session.identity.mayJoin(room)) {
      throw new WaybillError("FORBIDDEN", `${session.identity.clientId} may not join the room "${room}".`);
    }
    return this.store.join(roomAddress(session.namespace, room), inbox.address, since);
  }

  async leave(session: Session, room: string, clientId: string | undefined): Promise<Membership> {
    const inbox = this.memberInbox(session, room, clientId, "take another client out of");
    return this.store.leave(roomAddress(session.namespace, room), inbox.address);
  }

  /** @returns the queue's dead letters after this seq, and how many there are in all. */
  async deadLetters(
    session: Session,
    queueName: string,
    limit: number,
    afterSeq: number,
  ): Promise<{ total: number; letters: readonly DeadLetter[] }> {
    const queue = operatedQueue(session, queueName);
    const letters = await this.store.deadLetters(queue, limit, afterSeq);
    return { total: (await this.store.stats(queue)).dead, letters };
  }

  /** Puts dead letters back in their queue, all of them without `ids`. @returns how many. */
  async redrive(session: Session, queueName: string, ids: readonly string[] | undefined): Promise<number> {
    return this.store.redrive(operatedQueue(session, queueName), ids);
  }

  /** Throws dead letters away, all of them without `ids`. @returns how many. */
  async purge(session: Session, queueName: string, ids: readonly string[] | undefined): Promise<number> {
    return this.store.purge(operatedQueue(session, queueName), ids);
  }

  /** What a session holds of a queue. */
  held(session: Session, queueName: string): ReadonlyMap<string, Delivery> {
    return session.held(queueAddress(session.namespace, queueName));
  }

  /** Hands a session once more what it holds of a queue. */
  giveAgain(session: Session, queueName: string): void {
    session.giveAgain(queueAddress(session.namespace, queueName));
  }

  /** Takes no more work, and waits until what is on its way is stored and what connections have out is settled, or for `limitMs`. */
  async drain(limitMs: number): Promise<void> {
    this.draining = true;
    this.dispatcher.pause();
    const lookMs = Math.min(this.settings.tickMs, DRAIN_LOOK_MS);
    // By timers rather than by the time of day, which may be set back meanwhile.
    for (
      let leftMs = limitMs;
      leftMs > 0 && (this.unconfirmedBytes > 0 || this.hasConnectedHolder());
      leftMs -= lookMs
    ) {
      await new Promise<void>((resolve) => this.clock.setTimer(resolve, Math.min(leftMs, lookMs)));
    }
  }

  /** Forgets all sessions; the store is the caller's to close. */
  close(): void {
    this.closed = true;
    this.draining = true;
    this.dispatcher.pause();
    this.ticking?.cancel();
    for (const timer of this.graces.values()) timer.cancel();
    this.graces.clear();
    this.sessions.clear();
  }

  /** Deliveries that are out, in all sessions. */
  heldCount(): number {
    let count = 0;
    for (const session of this.sessions.values()) count += session.heldCount;
    return count;
  }

  /** Sessions that are known: connected ones, and those in their grace. */
  get sessionCount(): number {
    return this.sessions.size;
  }

  private refuseWhileDraining(): void {
    if (this.draining) throw new WaybillError("DRAINING", "The hub is going down: reconnect and send it again.");
  }

  private hasConnectedHolder(): boolean {
    for (const session of this.sessions.values()) if (session.attached && session.heldCount > 0) return true;
    return false;
  }

  private planPublish(identity: Identity, namespace: string, messages: readonly PublishMessage[]): PublishPlan {
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

  private memberInbox(
    session: Session,
    room: string,
    clientId: string | undefined,
    deed: string,
  ): { address: QueueAddress; own: boolean } {
    const { identity, namespace } = session;
    const own = clientId === undefined || clientId === identity.clientId;
    if (!own && !identity.mayInvite(room)) {
      throw new WaybillError("FORBIDDEN", `${identity.clientId} may not ${deed} the room "${room}".`);
    }
    return { address: queueAddress(namespace, inboxOf(clientId ?? identity.clientId)), own };
  }

  /** Settles what the session holds; what it does not hold is lost to it. */
  private async settleHeld(
    session: Session,
    queue: QueueAddress,
    refs: readonly DeliveryRef[],
    decide: (delivery: Delivery) => Settlement,
    status: SettleStatus,
  ): Promise<SettleOutcome[]> {
    const held = session.held(queue);
    const requests: SettleRequest[] = [];
    const places = refs.map((ref) => {
      const delivery = held.get(ref.id);
      if (delivery?.attempt !== ref.attempt) return undefined;
      return requests.push(settleRequest(session, queue, ref, decide(delivery))) - 1;
    });
    const settled = await this.settle(session, queue, requests, status);
    return refs.map((ref, index) => {
      const place = places[index];
      return (place === undefined ? undefined : settled[place]) ?? leaseLost(ref);
    });
  }

  private async settle(
    session: Session,
    queue: QueueAddress,
    requests: readonly SettleRequest[],
    status: SettleStatus,
  ): Promise<SettleOutcome[]> {
    if (requests.length === 0) return [];
    const results = await this.store.settle(requests);
    const settled = requests.map((request, index) => {
      const result = results[index] ?? "lost";
      if (request.settlement.action !== "extend" || result === "lost")
        session.forget(queue, request.id, request.attempt);
      return describeSettled(request, result, status);
    });
    this.dispatcher.deal(queue);
    return settled;
  }

  /** Settles deliveries of any holder on the hub's own account. */
  private async settleAll(
    queue: QueueAddress,
    deliveries: Iterable<Delivery>,
    decide: (delivery: Delivery) => Settlement,
  ): Promise<void> {
    const requests = Array.from(deliveries, (delivery) => ({
      queue,
      id: delivery.message.id,
      attempt: delivery.attempt,
      holder: delivery.holder,
      settlement: decide(delivery),
    }));
    try {
      await this.store.settle(requests);
    } catch (error) {
      // The leases run out by themselves: the next ticks try again.
      this.events.failed(`giving back ${requests.length} deliveries of ${queue}`, error);
    }
    this.dispatcher.deal(queue);
  }

  private endSession(session: Session): void {
    this.graces.delete(session);
    this.sessions.delete(session.id);
    for (const [queue, deliveries] of session.allHeld()) {
      void this.settleAll(queue, deliveries.values(), (delivery) =>
        settleAbandoned(delivery.message, this.settings.retry),
      );
    }
  }

  private scheduleTick(): void {
    this.ticking = this.clock.setTimer(() => {
      this.tick().then(
        () => this.closed || this.scheduleTick(),
        (error: unknown) => {
          this.events.failed("looking for what is due", error);
          if (!this.closed) this.scheduleTick();
        },
      );
    }, this.settings.tickMs);
  }

  private async tick(): Promise<void> {
    const now = this.clock.now();
    // All at once: what would wait its turn could still be extended or acked, and then be revoked all the same.
    const ended = [...byQueue(await this.store.expire(now))].map(([queue, lapsed]) => {
      for (const delivery of lapsed) {
        const ref = { id: delivery.message.id, attempt: delivery.attempt };
        this.sessions.get(delivery.holder)?.revoke(queue, [ref], "the lease ran out");
      }
      return this.settleAll(queue, lapsed, (delivery) =>
        settleLapsed(delivery.message, this.settings.retry, now, this.random),
      );
    });
    await Promise.all(ended);
    this.dispatcher.dealAll();
  }
}

/** How often a drain looks whether it is done. */
const DRAIN_LOOK_MS = 20;

const ACK: Settlement = { action: "ack" };
const RELEASE: Settlement = { action: "retry", dueAt: undefined, failed: false };

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

function describeSettled(request: SettleRequest, result: SettleResult, status: SettleStatus): SettleOutcome {
  const { id, settlement } = request;
  if (result === "already") return { id, status: "already" };
  if (result === "done") return { id, status: settlement.action === "dead" ? "dead" : status };
  return leaseLost(request);
}

function leaseLost({ id, attempt }: DeliveryRef): SettleError {
  return {
    id,
    error: new WaybillError("LEASE_LOST", `This connection does not hold attempt ${attempt} of "${id}".`).toWire(),
  };
}

function settleRequest(
  session: Session,
  queue: QueueAddress,
  { id, attempt }: DeliveryRef,
  settlement: Settlement,
): SettleRequest {
  return { queue, id, attempt, holder: session.id, settlement };
}

/** Whether the text is longer than this in UTF-8. A character is 1 to 3 bytes, so most texts need no counting. */
function exceedsBytes(text: string, limit: number): boolean {
  return text.length > limit || (text.length * 3 > limit && Buffer.byteLength(text) > limit);
}

function operatedQueue({ identity, namespace }: Session, queueName: string): QueueAddress {
  if (identity.operator) return queueAddress(namespace, queueName);
  throw new WaybillError("FORBIDDEN", `${identity.clientId} is not an operator.`);
}

function byQueue(deliveries: readonly Delivery[]): Map<QueueAddress, Delivery[]> {
  const queues = new Map<QueueAddress, Delivery[]>();
  for (const delivery of deliveries) {
    const { queue } = delivery.message;
    const list = queues.get(queue);
    if (list) list.push(delivery);
    else queues.set(queue, [delivery]);
  }
  return queues;
}
