import type { Clock } from "./clock";
import { Line, type Consumer, type Standing } from "./line";
import type { Delivery, QueueAddress } from "./message";
import type { RuleBook } from "./queue-rules";
import type { Session } from "./session";
import type { Store } from "./store";

/**
 * Polls of which one deals a queue that was found empty. It is there for hints that were missed, which are few; queues
 * with nothing in them are many, and polling all of them each time would be most of an idle hub's work.
 */
const EMPTY_POLLS = 16;

export interface DispatchSettings {
  readonly rules: RuleBook;
  /** Bytes that one consumer may have out of one queue; a stuck one costs no more. */
  readonly prefetchBytes: number;
}

/** What the dispatcher cannot do itself. */
export interface DispatchFailures {
  /** The store refused a lease; the next poll tries again. */
  leasing(queue: QueueAddress, error: unknown): void;
  /** These were leased for a consumer that is gone, or no longer dealt to: gives them back, and does not reject. */
  unwanted(queue: QueueAddress, deliveries: readonly Delivery[]): Promise<void>;
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
    store.onHint((queue) => this.hinted(queue));
  }

  /** Adds a consumer, or changes the one that is there. @returns whether it is new. */
  add(queue: QueueAddress, session: Session, prefetch: number, exclusive: boolean): boolean {
    const isNew = this.lineOf(queue).add(session, prefetch, exclusive);
    if (!isNew) return false;
    const queues = this.queues.get(session);
    if (queues) queues.add(queue);
    else this.queues.set(session, new Set([queue]));
    return true;
  }

  /** Ends a consumer. @returns whether it alone was dealt to. */
  remove(queue: QueueAddress, session: Session): boolean {
    const line = this.lines.get(queue);
    if (line === undefined || !this.consumes(queue, session)) return false;
    const wasActive = line.isActive(session) === true;
    line.remove(session);
    const queues = this.queues.get(session);
    queues?.delete(queue);
    if (queues?.size === 0) this.queues.delete(session);
    this.dropIfDone(line);
    return wasActive;
  }

  /** Ends all consumers of a session. @returns the queues in which it alone was dealt to. */
  removeAll(session: Session): QueueAddress[] {
    return [...(this.queues.get(session) ?? [])].filter((queue) => this.remove(queue, session));
  }

  consumes(queue: QueueAddress, session: Session): boolean {
    return this.queues.get(session)?.has(queue) ?? false;
  }

  /** Whether this consumer alone is dealt to now; undefined: all of the queue's are. */
  isActive(queue: QueueAddress, session: Session): boolean | undefined {
    return this.lines.get(queue)?.isActive(session);
  }

  /** How many queues a session consumes. */
  queueCount(session: Session): number {
    return this.queues.get(session)?.size ?? 0;
  }

  consumerCount(queue: QueueAddress): number {
    return this.lines.get(queue)?.length ?? 0;
  }

  /** How those consumers of a queue stand that are dealt to; `isExclusive`: one at a time, others may wait behind it. */
  standings(queue: QueueAddress): { isExclusive: boolean; standings: readonly Standing[] } {
    const line = this.lines.get(queue);
    return { isExclusive: line?.isExclusive ?? false, standings: line?.standings() ?? [] };
  }

  /** Stops dealing for good: the hub is going down. */
  pause(): void {
    this.paused = true;
  }

  /** The poll: deals the queues that somebody waits at, those that were found empty in turn. */
  dealAll(): void {
    this.polls++;
    for (const line of this.lines.values()) {
      if (!line.empty || (line.no + this.polls) % EMPTY_POLLS === 0) this.dealLine(line);
    }
  }

  /** Deals what is ready in a queue, if anybody there has credit. Returns at once. */
  deal(queue: QueueAddress): void {
    const line = this.lines.get(queue);
    if (line !== undefined) this.dealLine(line);
  }

  private dealLine(line: Line): void {
    if (this.paused) return;
    if (line.underWay > 0) {
      line.again = true;
      return;
    }
    const requests = line.leaseRequests();
    if (requests.length === 0) return;
    line.underWay++;
    line.again = false;
    line.empty = false;
    const { queue } = line;
    const leasedAt = this.clock.now();
    this.store.lease(queue, requests, leasedAt, this.settings.rules.of(queue).leaseMs).then(
      (deliveries) => this.dealt(line, deliveries, leasedAt),
      (error: unknown) => {
        this.finish(line);
        this.failures.leasing(queue, error);
      },
    );
  }

  /** Deals what there is now credit for: deliveries of the queue were settled. What became ready by that is hinted. */
  dealOnCredit(queue: QueueAddress): void {
    const line = this.lines.get(queue);
    if (line?.empty === false) this.dealLine(line);
  }

  /** Deals nothing of a queue until what goes back to it is there: it comes before what is ready now. */
  dealAfter(queue: QueueAddress, returned: Promise<void>): void {
    const line = this.lineOf(queue);
    line.underWay++;
    line.again = true;
    void returned.finally(() => {
      this.finish(line);
      if (line.again) this.dealLine(line);
    });
  }

  private dealt(line: Line, deliveries: readonly Delivery[], leasedAt: number): void {
    for (const [holder, share] of byHolder(deliveries)) {
      const claimant = line.claimant(holder);
      if (claimant) this.give(line, claimant, share, leasedAt);
      // Guard against a consumer that left, or fell behind another, while the lease was under way.
      else this.dealAfter(line.queue, this.failures.unwanted(line.queue, share));
    }
    const last = deliveries[deliveries.length - 1];
    if (last) line.endTurn(last.holder);
    // Credit is left: the store had no more.
    line.empty = line.hasCredit;
    this.finish(line);
    if (line.again) this.dealLine(line);
  }

  /**
   * Gives a consumer what was leased for it, but for what has changed while the store took its time: what has expired goes back to
   * end as such, and what it would have now in excess of a prefetch that it has lowered.
   */
  private give(line: Line, consumer: Consumer, deliveries: readonly Delivery[], leasedAt: number): void {
    const { session, out } = consumer;
    const now = this.clock.now();
    const credit = Math.max(0, line.creditOf(consumer));
    const isInTime = ({ message: { expiresAt } }: Delivery): boolean =>
      expiresAt === undefined || expiresAt <= leasedAt || expiresAt > now;
    const isAll = deliveries.length <= credit && (now === leasedAt || deliveries.every(isInTime));
    if (isAll) return session.give(out, deliveries);
    const given = deliveries.filter(isInTime).slice(0, credit);
    const unwanted = deliveries.filter((delivery) => !given.includes(delivery));
    this.dealAfter(out.queue, this.failures.unwanted(out.queue, unwanted));
    if (given.length > 0) session.give(out, given);
  }

  private hinted(queue: QueueAddress): void {
    const line = this.lines.get(queue);
    if (line === undefined) return;
    line.empty = false;
    this.dealLine(line);
  }

  private finish(line: Line): void {
    line.underWay--;
    this.dropIfDone(line);
  }

  private dropIfDone(line: Line): void {
    if (line.length === 0 && line.underWay === 0) this.lines.delete(line.queue);
  }

  private lineOf(queue: QueueAddress): Line {
    let line = this.lines.get(queue);
    if (line === undefined) {
      line = new Line(++this.lastLine, queue, this.settings.rules, this.settings.prefetchBytes);
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
