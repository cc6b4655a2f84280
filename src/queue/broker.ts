import { WaybillError } from "../protocol/errors";
import type { ReadonlyIdTable } from "../protocol/id-table";
import type { PublishMessage, PublishResult, SettleOutcome, SettleRef } from "../protocol/wire";
import type { Clock, Timer } from "./clock";
import { Consumers, type Consuming, type Consumption } from "./consumers";
import { DeadLetters } from "./dead-letters";
import { Dispatcher, type DispatchSettings } from "./dispatcher";
import { HandOver } from "./hand-over";
import type { Identity } from "./identity";
import { queueAddress, type Delivery, type QueueAddress } from "./message";
import { Publisher, type PublishSettings } from "./publisher";
import type { Receiver } from "./receiver";
import { Rooms } from "./rooms";
import type { RouteTable } from "./routes";
import type { Session } from "./session";
import { Sessions } from "./sessions";
import { RELEASE, settleAbandoned, settleLapsed, type Nack } from "./settlement";
import { Settler } from "./settler";
import type { Membership, Since, Store } from "./store";
import { Inquiry, type Found } from "./whereabouts";

export interface BrokerSettings extends PublishSettings, DispatchSettings {
  /** Milliseconds that a dropped connection's leases wait for its client to come back. */
  readonly graceMs: number;
  /** Milliseconds between looks for what is due, expired, lapsed or was missed by a hint. */
  readonly tickMs: number;
  /** Queues that one session may consume at once. */
  readonly maxConsumersPerSession: number;
}

/** What the broker tells of itself; the hub puts its log behind it. */
export interface BrokerEvents {
  /** Something failed that no reply can carry. */
  failed(what: string, error: unknown): void;
  /** The machine's time of day was set by this, forwards or back, and what is kept by the clock has followed. */
  clockStepped(byMs: number): void;
}

/**
 * The hub's word on queues: who may do what, what is stored before it is confirmed, who holds which lease and what
 * becomes of it. Knows no sockets and no disk.
 */
export class Broker {
  /** What operators ask for. */
  readonly dead: DeadLetters;
  private readonly dispatcher: Dispatcher;
  private readonly publisher: Publisher;
  private readonly settler: Settler;
  private readonly rooms: Rooms;
  private readonly consumers: Consumers;
  private readonly sessions: Sessions;
  private readonly handOver: HandOver;
  private readonly inquiry: Inquiry;
  private ticking: Timer | undefined;
  /** The time of day was set, and the store has not followed yet. */
  private isStoreBehind = false;
  private draining = false;
  private closed = false;

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly settings: BrokerSettings,
    routes: RouteTable,
    private readonly events: BrokerEvents,
    private readonly random: () => number = Math.random,
  ) {
    const { rules, graceMs, maxConsumersPerSession } = settings;
    this.dead = new DeadLetters(store, clock, () => this.refuseWhileDraining());
    this.rooms = new Rooms(store);
    this.publisher = new Publisher(store, clock, settings, routes);
    this.sessions = new Sessions(clock, graceMs, (session) => this.giveBack(session));
    this.settler = new Settler(store, clock, rules, random, {
      settled: (queue) => this.dispatcher.dealOnCredit(queue),
      failed: (what, error) => events.failed(what, error),
    });
    this.dispatcher = new Dispatcher(store, clock, settings, {
      leasing: (queue, error) => events.failed(`leasing from ${queue}`, error),
      unwanted: (queue, deliveries) => this.settler.settleAll(queue, deliveries, () => RELEASE),
    });
    this.handOver = new HandOver(this.dispatcher, this.settler, rules);
    this.consumers = new Consumers(store, clock, this.dispatcher, this.handOver, maxConsumersPerSession);
    this.inquiry = new Inquiry(store, this.dispatcher, this.sessions, () => this.draining);
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
    this.refuseNewWork(session);
    return this.publisher.publish(session, messages);
  }

  /**
   * Stores a message that came alone, as `publish` does one of a list.
   *
   * @throws WaybillError where it is refused at once.
   */
  publishAlone(session: Session, message: PublishMessage): Promise<PublishResult> {
    this.refuseNewWork(session);
    return this.publisher.publishAlone(session, message);
  }

  /** Opens a session for a connection, or gives it the one that it shows and that still waits for its client. */
  connect(
    namespace: string,
    identity: Identity,
    receiver: Receiver,
    shown: string | undefined,
  ): { session: Session; resumed: boolean } {
    const former = shown === undefined ? undefined : this.sessions.resume(shown, namespace, identity.clientId);
    if (former === undefined) return { session: this.sessions.open(namespace, identity, receiver), resumed: false };
    // Where the former connection is still there: the new one is dealt nothing before it asks for it.
    this.handOver.leaveAll(former);
    former.attach(receiver, identity);
    return { session: former, resumed: true };
  }

  /**
   * A connection is gone. Its consumers end now, its leases after the grace, unless its client comes back before; those of
   * a queue that deals to one consumer at a time go to the next one now. While the hub goes down they all stay until its end.
   */
  disconnect(session: Session, receiver: Receiver): void {
    if (!session.detach(receiver)) return;
    if (this.closed) return;
    this.handOver.leaveAll(session);
    this.sessions.awaitClient(session);
  }

  /** Has a queue's messages given to this session from now on; said again, changes its prefetch and its wish to be alone. */
  async consume(session: Session, queueName: string, consumption: Consumption): Promise<Consuming> {
    this.refuseWhileDraining();
    return this.consumers.consume(session, queueName, consumption);
  }

  /**
   * Where the messages of an id are, in one queue of the session's namespace or in all of them, and how those ended that
   * did so of late. Empty when nothing is known of it. For operators.
   */
  async why(session: Session, id: string, queueName: string | undefined): Promise<Found> {
    this.publisher.storeGathered();
    return this.inquiry.find(session, id, queueName);
  }

  /**
   * Ends a consumer. What it holds stays with it until settled, also where the next one is dealt to now in its place.
   *
   * @param unsent what it holds, and its client has never seen: that goes back.
   */
  cancel(session: Session, queueName: string, unsent: readonly Delivery[] = []): void {
    this.consumers.cancel(session, queueName, unsent);
  }

  ack(session: Session, queueName: string, refs: readonly SettleRef[]): Promise<SettleOutcome[]> {
    // What it published before is stored before: it may have come of what is acked.
    this.publisher.storeGathered(session);
    return this.settler.ack(session, queueName, refs);
  }

  nack(session: Session, queueName: string, refs: readonly SettleRef[], nack: Nack): Promise<SettleOutcome[]> {
    this.publisher.storeGathered(session);
    return this.settler.nack(session, queueName, refs, nack);
  }

  /** @returns for each delivery what became of it, and the deadline of those extended, in milliseconds since the epoch. */
  extend(
    session: Session,
    queueName: string,
    refs: readonly SettleRef[],
    leaseMs: number,
  ): Promise<{ deadline: number; results: SettleOutcome[] }> {
    return this.settler.extend(session, queueName, refs, leaseMs);
  }

  async join(
    session: Session,
    room: string,
    clientId: string | undefined,
    since: Since | undefined,
  ): Promise<Membership> {
    this.refuseWhileDraining();
    return this.rooms.join(session, room, clientId, since);
  }

  leave(session: Session, room: string, clientId: string | undefined): Promise<Membership> {
    return this.rooms.leave(session, room, clientId);
  }

  /** What a session holds of a queue. */
  held(session: Session, queueName: string): ReadonlyIdTable<Delivery> {
    return session.held(queueAddress(session.namespace, queueName));
  }

  /** Hands a session once more what it holds of a queue. */
  giveAgain(session: Session, queueName: string): void {
    session.giveAgain(queueAddress(session.namespace, queueName));
  }

  /** Takes no more work, and waits until what is on its way is stored and what connections have out is settled, or for `limitMs`. */
  async drain(limitMs: number): Promise<void> {
    this.goDown();
    const lookMs = Math.min(this.settings.tickMs, DRAIN_LOOK_MS);
    // By timers rather than by the time of day, which may be set back meanwhile.
    for (
      let leftMs = limitMs;
      leftMs > 0 && (!this.publisher.idle || !this.dead.idle || this.sessions.hasConnectedHolder());
      leftMs -= lookMs
    ) {
      await new Promise<void>((resolve) => this.clock.setTimer(resolve, Math.min(leftMs, lookMs)));
    }
  }

  /** Forgets all sessions; the store is the caller's to close. */
  close(): void {
    this.closed = true;
    this.goDown();
    this.publisher.storeGathered();
    this.ticking?.cancel();
    this.sessions.clear();
  }

  /** Deliveries that are out, in all sessions. */
  heldCount(): number {
    return this.sessions.heldCount();
  }

  /** Sessions that are known: connected ones, and those in their grace. */
  get sessionCount(): number {
    return this.sessions.size;
  }

  private goDown(): void {
    this.draining = true;
    this.dispatcher.pause();
    this.handOver.stop();
  }

  /** A session that holds something may have to publish before it can ack, and a drain waits for that. */
  private refuseNewWork(session: Session): void {
    if (this.closed || session.heldCount === 0) this.refuseWhileDraining();
  }

  private refuseWhileDraining(): void {
    if (this.draining) throw new WaybillError("DRAINING", "The hub is going down: reconnect and send it again.");
  }

  /** What a session holds that has ended is ready for others. */
  private giveBack(session: Session): void {
    this.handOver.forget(session);
    // Its client could not come back: a hub that goes down lets nobody in. Its leases end with the hub, without a failure.
    if (this.draining) return;
    for (const [queue, deliveries] of session.allHeld()) {
      const policy = this.settings.rules.of(queue);
      void this.settler.settleAll(queue, deliveries.values(), ({ message }) => settleAbandoned(message, policy));
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
    await this.followClock();
    const now = this.clock.now();
    // All at once: what would wait its turn could still be extended or acked, and then be revoked all the same.
    const ended = [...byQueue(await this.store.expire(now))].map(([queue, lapsed]) => {
      for (const delivery of lapsed) {
        const ref = { id: delivery.message.id, attempt: delivery.attempt };
        this.sessions.get(delivery.holder)?.revoke(queue, [ref], "the lease ran out");
      }
      const policy = this.settings.rules.of(queue);
      return this.settler.settleAll(queue, lapsed, ({ message }) => settleLapsed(message, policy, now, this.random));
    });
    await Promise.all(ended);
    this.dispatcher.dealAll();
  }

  /** Has the store's deadlines move along with the time of day; where it fails, again at the next look, before any other. */
  private async followClock(): Promise<void> {
    const stepMs = this.clock.catchUp();
    if (stepMs !== 0) this.events.clockStepped(stepMs);
    this.isStoreBehind ||= stepMs !== 0;
    if (!this.isStoreBehind) return;
    await this.store.moveDeadlines(stepMs);
    this.isStoreBehind = false;
  }
}

/** How often a drain looks whether it is done. */
const DRAIN_LOOK_MS = 20;

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
