import type { Clock } from "./clock";
import type { Delivery, QueueAddress } from "./message";
import type { Session } from "./session";
import type { LeaseRequest, Store } from "./store";

/** A session's claim to a queue's messages. */
interface Consumer {
  readonly session: Session;
  prefetch: number;
}

/** The consumers of one queue, in turn. */
interface Line {
  /** Which of the polls is its own while it is empty. */
  readonly no: number;
  readonly consumers: Consumer[];
  /** Who comes first in the next deal. */
  turn: number;
  /** A lease is under way: one at a time, so that turns stay fair. */
  leasing: boolean;
  /** Something happened meanwhile: deal once more. */
  again: boolean;
  /** The last lease found nothing ready, and no hint has come since. */
  empty: boolean;
}

/**
 * Polls of which one deals a queue that was found empty. It is there for hints that were missed, which are few; queues
 * with nothing in them are many, and polling all of them each time would be most of an idle hub's work.
 */
const EMPTY_POLLS = 16;

export interface DispatchSettings {
  readonly leaseMs: number;
  /** Bytes that one consumer may have out of one queue; a stuck one costs no more. */
  readonly prefetchBytes: number;
}

/** What the dispatcher cannot do itself. */
export interface DispatchFailures {
  /** The store refused a lease; the next poll tries again. */
  leasing(queue: QueueAddress, error: unknown): void;
  /** These were leased for a consumer that is gone: they are to be given back. */
  unwanted(queue: QueueAddress, deliveries: readonly Delivery[]): void;
}

/**
 * Deals ready messages out to the consumers that have credit. Woken by hints, by settlements and by a poll: a hint
 * that was missed costs a moment, never a message.
 */
export class Dispatcher {
  private readonly lines = new Map<QueueAddress, Line>();
  /** What each session consumes: the same as in the lines, looked at from the other side. */
  private readonly queues = new Map<Session, Set<QueueAddress>>();
  private paused = false;
  private lastLine = 0;
  private polls = 0;

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly settings: DispatchSettings,
    private readonly failures: DispatchFailures,
  ) {
    store.onHint((queue) => this.deal(queue));
  }

  /** Adds a consumer, or gives the one that is there another prefetch. @returns whether it is new. */
  add(queue: QueueAddress, session: Session, prefetch: number): boolean {
    const line = this.lineOf(queue);
    const consumer = line.consumers.find((each) => each.session === session);
    if (consumer) {
      consumer.prefetch = prefetch;
      return false;
    }
    line.consumers.push({ session, prefetch });
    const queues = this.queues.get(session);
    if (queues) queues.add(queue);
    else this.queues.set(session, new Set([queue]));
    return true;
  }

  /** @returns whether the session was consuming the queue. */
  remove(queue: QueueAddress, session: Session): boolean {
    const line = this.lines.get(queue);
    const index = line?.consumers.findIndex((each) => each.session === session) ?? -1;
    if (line === undefined || index < 0) return false;
    line.consumers.splice(index, 1);
    const queues = this.queues.get(session);
    queues?.delete(queue);
    if (queues?.size === 0) this.queues.delete(session);
    if (line.consumers.length === 0 && !line.leasing) this.lines.delete(queue);
    return true;
  }

  removeAll(session: Session): void {
    for (const queue of [...(this.queues.get(session) ?? [])]) this.remove(queue, session);
  }

  consumes(queue: QueueAddress, session: Session): boolean {
    return this.queues.get(session)?.has(queue) ?? false;
  }

  /** How many queues a session consumes. */
  queueCount(session: Session): number {
    return this.queues.get(session)?.size ?? 0;
  }

  consumerCount(queue: QueueAddress): number {
    return this.lines.get(queue)?.consumers.length ?? 0;
  }

  /** Stops dealing for good: the hub is going down. */
  pause(): void {
    this.paused = true;
  }

  /** The poll: deals the queues that somebody waits at, those that were found empty in turn. */
  dealAll(): void {
    this.polls++;
    for (const [queue, line] of this.lines) {
      if (!line.empty || (line.no + this.polls) % EMPTY_POLLS === 0) this.deal(queue);
    }
  }

  /** Deals what is ready in a queue, if anybody there has credit. Returns at once. */
  deal(queue: QueueAddress): void {
    const line = this.lines.get(queue);
    if (line === undefined || this.paused) return;
    if (line.leasing) {
      line.again = true;
      return;
    }
    const requests = this.requests(queue, line);
    if (requests.length === 0) return;
    line.leasing = true;
    line.again = false;
    this.store.lease(queue, requests, this.clock.now(), this.settings.leaseMs).then(
      (deliveries) => this.dealt(queue, line, deliveries),
      (error: unknown) => {
        line.empty = false;
        this.finish(queue, line);
        this.failures.leasing(queue, error);
      },
    );
  }

  private dealt(queue: QueueAddress, line: Line, deliveries: readonly Delivery[]): void {
    for (const [holder, share] of byHolder(deliveries)) {
      const consumer = line.consumers.find((each) => each.session.id === holder);
      if (consumer) consumer.session.give(queue, share);
      // Guard against a consumer that left while the lease was under way.
      else this.failures.unwanted(queue, share);
    }
    line.empty = deliveries.length === 0;
    this.finish(queue, line);
    if (deliveries.length > 0 || line.again) this.deal(queue);
  }

  private finish(queue: QueueAddress, line: Line): void {
    line.leasing = false;
    if (line.consumers.length === 0) this.lines.delete(queue);
  }

  private requests(queue: QueueAddress, line: Line): LeaseRequest[] {
    const requests: LeaseRequest[] = [];
    const count = line.consumers.length;
    const first = line.turn++ % Math.max(count, 1);
    for (let offset = 0; offset < count; offset++) {
      const consumer = line.consumers[(first + offset) % count];
      if (consumer === undefined || !consumer.session.attached) continue;
      const { session, prefetch } = consumer;
      const limit = prefetch - session.held(queue).size;
      const limitBytes = this.settings.prefetchBytes - session.heldBytes(queue);
      if (limit > 0 && limitBytes > 0) requests.push({ holder: session.id, limit, limitBytes });
    }
    return requests;
  }

  private lineOf(queue: QueueAddress): Line {
    let line = this.lines.get(queue);
    if (line === undefined) {
      line = { no: ++this.lastLine, consumers: [], turn: 0, leasing: false, again: false, empty: false };
      this.lines.set(queue, line);
    }
    return line;
  }
}

/** The deliveries of each holder, in order. Mostly there is one holder, and nothing to copy. */
function byHolder(deliveries: readonly Delivery[]): Iterable<[string, readonly Delivery[]]> {
  const first = deliveries[0];
  if (first === undefined) return [];
  if (deliveries.every((delivery) => delivery.holder === first.holder)) return [[first.holder, deliveries]];
  const shares = new Map<string, Delivery[]>();
  for (const delivery of deliveries) {
    const share = shares.get(delivery.holder);
    if (share) share.push(delivery);
    else shares.set(delivery.holder, [delivery]);
  }
  return shares;
}
