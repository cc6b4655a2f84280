import { DEFAULT_PRIORITY } from "../../../src/queue/message";
import type { DeliveredMessage, DeliveryRef, PublishMessage, SettleOutcome } from "../../../src/protocol/wire";
import type { Event } from "../history";
import type { Ask, Breach, ConnectionSeen, Hold, Life, SessionSeen, Spec, Terms } from "./seen";

/** So long it may take to follow a step of the clock: a slow disk holds it up. */
const FOLLOWED_WITHIN_MS = 5_000;
/** Leases are told in whole milliseconds. */
export const ROUNDING_MS = 1.5;

/** All that can be known from outside: who is connected, what was asked, and where each message is. */
export class Book {
  readonly breaches: Breach[] = [];
  readonly specs = new Map<string, Spec>();
  readonly sessions = new Map<string, SessionSeen>();
  readonly connections = new Map<number, ConnectionSeen>();
  readonly asks = new Map<string, Ask>();
  /** By queue and seq. */
  readonly queues = new Map<string, Map<number, Life>>();
  /** By queue and id. */
  readonly byId = new Map<string, Life[]>();
  hub = 0;
  at = 0;
  wall = 0;
  step = 0;
  /** Hubs whose store was lost: what they refused then may be done all the same. */
  readonly storeLost = new Set<number>();
  readonly clockSteps: number[] = [];
  /** Commits have failed, or may have: also those by which the file follows the clock. */
  writesFailed = false;
  /** Queues that a consumer has asked to have alone, some time. */
  readonly wishedExclusive = new Set<string>();

  constructor(readonly terms: Terms) {}

  breach(promise: string, what: string, id: string): void {
    this.breaches.push({ promise, what, id, at: this.at });
  }

  turn(event: Event): void {
    this.at = event.at;
    this.wall = event.wall;
    this.step = event.step;
  }

  opened(no: number, client: string, id: string): ConnectionSeen {
    const former = this.sessions.get(id);
    const session = former ?? { id, client, hub: this.hub, connection: no, detachedAt: Infinity, detached: 0 };
    session.connection = no;
    session.detachedAt = Infinity;
    this.sessions.set(id, session);
    const connection = { no, session, open: true };
    this.connections.set(no, connection);
    return connection;
  }

  closed(no: number): void {
    const connection = this.connections.get(no);
    if (connection === undefined) return;
    connection.open = false;
    const { session } = connection;
    if (session.connection !== no) return;
    session.connection = undefined;
    session.detachedAt = this.at;
    session.detached++;
  }

  hubEnded(): void {
    for (const connection of this.connections.values()) {
      connection.open = false;
      connection.session.connection = undefined;
    }
  }

  ask(no: number, connection: ConnectionSeen, request: string, argument: Ask["argument"]): Ask {
    const { at, wall, hub } = this;
    const ask: Ask = { connection, request, argument, at, wall, hub, rightful: new Map(), answer: undefined };
    this.asks.set(`${connection.no}/${no}`, ask);
    return ask;
  }

  /** Notes what was asked to be published, before it can be anywhere. */
  specify(message: PublishMessage, publisher: string): Spec {
    const { id = "", queue, room, client } = message;
    const target = queue ?? (room === undefined ? `@${client ?? ""}` : `room:${room}`);
    const { at, hub } = this;
    const spec = this.specs.get(id) ?? { id, target, message, publisher, firstAskedAt: at, lastAskedAt: at, hub };
    spec.lastAskedAt = at;
    this.specs.set(id, spec);
    return spec;
  }

  livesIn(queue: string): Map<number, Life> {
    const lives = this.queues.get(queue) ?? new Map<number, Life>();
    this.queues.set(queue, lives);
    return lives;
  }

  livesOf(queue: string, id: string): readonly Life[] {
    return this.byId.get(`${queue} ${id}`) ?? [];
  }

  /** The message of this seq, noted if it is new. */
  life(queue: string, seq: number, id: string): Life {
    const lives = this.livesIn(queue);
    const known = lives.get(seq);
    if (known !== undefined) {
      if (known.id !== id) this.breach("Order", `${queue} has given seq ${seq} to ${known.id} and to ${id}`, id);
      return known;
    }
    const life: Life = {
      queue,
      seq,
      id,
      spec: this.specs.get(id),
      confirmed: false,
      hold: undefined,
      sends: 0,
      sentTo: 0,
      acked: false,
      ackAsked: new Set(),
      mayBeDead: false,
    };
    lives.set(seq, life);
    const key = `${queue} ${id}`;
    const namesakes = this.byId.get(key);
    if (namesakes) namesakes.push(life);
    else this.byId.set(key, [life]);
    return life;
  }

  /** Notes a delivery as the newest of its message. */
  send(life: Life, { no, session }: ConnectionSeen, message: DeliveredMessage): void {
    life.sends++;
    life.sentTo = no;
    if (life.hold?.attempt === message.attempt) return;
    life.hold = {
      attempt: message.attempt,
      session,
      hub: this.hub,
      queue: life.queue,
      detached: session.detached,
      step: this.step,
      endsAt: this.at + message.leaseMs,
      settling: new Set(),
      settled: false,
      revoked: false,
    };
  }

  /** Notes which hold a request may settle. */
  claim(ask: Ask, queue: string, ref: DeliveryRef): void {
    const life = this.heldAs(ask.connection.session, queue, ref);
    const hold = life?.hold;
    if (life === undefined || hold === undefined) return;
    ask.rightful.set(ref, { life, hold, isSecond: hold.settling.size > 0 });
    if (ask.request === "extend") {
      hold.endsAt = Math.min(hold.endsAt, this.at + Number(ask.argument["leaseMs"]));
      return;
    }
    hold.settling.add(ask);
    if (ask.request === "ack") life.ackAsked.add(ask);
    else if (ask.argument["dead"] === true) life.mayBeDead = true;
  }

  /** The message that a session holds under this name, if it does. */
  private heldAs(session: SessionSeen, queue: string, { id, attempt }: DeliveryRef): Life | undefined {
    const given = this.livesOf(queue, id).filter(({ hold }) => {
      return hold?.attempt === attempt && hold.session === session && hold.hub === this.hub;
    });
    // Older messages of that id may have had the same attempt; they are never out together.
    const newest = given.reduce<Life | undefined>((last, life) => {
      return last?.hold && life.hold && last.hold.step > life.hold.step ? last : life;
    }, undefined);
    return newest?.hold?.settled ? undefined : newest;
  }

  /** Notes what has become of a request's part. */
  conclude(ask: Ask, ref: DeliveryRef, outcome: SettleOutcome): void {
    const claim = ask.rightful.get(ref);
    if (claim === undefined) return;
    const { life, hold } = claim;
    if ("error" in outcome) {
      // Where the store is lost, what was refused may be done.
      if (this.storeLost.has(ask.hub) && outcome.error.code === "STORE_UNAVAILABLE") return;
      hold.settling.delete(ask);
      life.ackAsked.delete(ask);
      return;
    }
    if (outcome.status === "extended") {
      hold.endsAt = ask.at + Number(ask.argument["leaseMs"]);
      return;
    }
    // Of two acks under way, the second may be answered before the first; or it speaks of an older message of that id.
    if (outcome.status === "already") return;
    if (outcome.status === "acked") life.acked = true;
    hold.settled = true;
    if (outcome.status === "dead") life.mayBeDead = true;
  }

  /** Why a hold is over; undefined: it is not, as far as can be seen. */
  whyOver(hold: Hold): string | undefined {
    if (hold.hub !== this.hub) return "the hub was started anew";
    if (hold.settled || hold.settling.size > 0) return "it was settled";
    if (this.at >= hold.endsAt - ROUNDING_MS) return "its lease ran out";
    if (this.isExclusive(hold.queue) && hold.session.detached > hold.detached) return "another consumer took over";
    if (hold.session.connection === undefined && this.at >= hold.session.detachedAt + this.terms.graceMs - ROUNDING_MS)
      return "its holder was gone";
    return undefined;
  }

  /** Whether a message may have ended, one way or another. */
  mayHaveEnded(life: Life): boolean {
    return life.acked || life.ackAsked.size > 0 || this.mayHaveDied(life) || this.mayBeExpired(life);
  }

  /** Whether a message may have become a dead letter, other than by its time. */
  mayHaveDied({ queue, sends, mayBeDead }: Pick<Life, "queue" | "sends" | "mayBeDead">): boolean {
    const { maxAttempts, overflow } = this.terms.rulesOf(queue);
    return mayBeDead || sends >= maxAttempts || overflow === "drop-oldest";
  }

  /** Whether a message's time to live may have passed. */
  mayBeExpired({ spec }: Pick<Life, "spec">): boolean {
    const { ttlMs, delayMs = 0, deliverAt } = spec?.message ?? {};
    if (spec === undefined || ttlMs === undefined) return false;
    // What was given a time of day expires by that, however it is set.
    if (deliverAt !== undefined && this.clockSteps.length > 0) return true;
    if (deliverAt !== undefined) return this.at >= spec.firstAskedAt + ttlMs - ROUNDING_MS;
    return this.wasMissed(spec) || this.at >= spec.firstAskedAt + delayMs + ttlMs - ROUNDING_MS;
  }

  /** Whether the clock was set where no hub that knew the message may have seen it, or could not write so: what it was given is off by that. */
  wasMissed({ hub }: Pick<Spec, "hub">): boolean {
    return this.clockSteps.length > 0 && (hub !== this.hub || this.writesFailed);
  }

  /** Whether the clock was set so shortly ago that the hub may not have followed yet. */
  get mayBeFollowing(): boolean {
    return this.wasSetBefore(this.at);
  }

  /** Whether the clock was set shortly before a moment. */
  wasSetBefore(at: number): boolean {
    return this.clockSteps.some((steppedAt) => steppedAt <= at && steppedAt > at - FOLLOWED_WITHIN_MS);
  }

  /** Whether a queue may be dealt to one consumer at a time. */
  isExclusive(queue: string): boolean {
    return this.wishedExclusive.has(queue) || this.terms.rulesOf(queue).exclusive;
  }
}

export function priorityOf(life: Life): number {
  return life.spec?.message.priority ?? DEFAULT_PRIORITY;
}
