import type { QueueAddress } from "./message";
import type { Outstanding } from "./outstanding";
import type { RuleBook } from "./queue-rules";
import type { Session } from "./session";
import type { LeaseRequest } from "./store";

/** A session's claim to a queue's messages. */
export interface Consumer {
  readonly session: Session;
  /** What it has out of the queue. */
  readonly out: Outstanding;
  prefetch: number;
  /** Whether it will have no other consumer beside it. */
  exclusive: boolean;
}

/** How a queue's consumers stand, as `why` tells it. */
export interface Standing {
  readonly client: string;
  /** Deliveries that are out to it, and how many may be. */
  readonly out: number;
  readonly prefetch: number;
  readonly hasCredit: boolean;
}

/** The consumers of one queue, the one that has been there longest first. */
export class Line {
  /** Leases, and returns that go before the next one: one at a time, so that turns and order stay fair. */
  underWay = 0;
  /** Something happened meanwhile: deal once more. */
  again = false;
  /** The last lease found less ready than there was credit for, and no hint has come since. */
  empty = false;
  private readonly consumers: Consumer[] = [];
  private exclusiveConsumers = 0;
  /** Place of who comes first in the next deal: the one behind who was given the last message. */
  private turn = 0;

  /** @param no which of the polls is its own while it is empty. */
  constructor(
    readonly no: number,
    readonly queue: QueueAddress,
    private readonly rules: RuleBook,
    private readonly prefetchBytes: number,
  ) {}

  get length(): number {
    return this.consumers.length;
  }

  /** Whether one consumer at a time is dealt to: as long as one of them wishes so, or the queue's rules. */
  get isExclusive(): boolean {
    return this.exclusiveConsumers > 0 || this.rules.of(this.queue).exclusive;
  }

  /** Adds a consumer, or changes the one that is there; it keeps its place. @returns whether it is new. */
  add(session: Session, prefetch: number, exclusive: boolean): boolean {
    const consumer = this.consumers.find((each) => each.session === session);
    this.exclusiveConsumers += Number(exclusive) - Number(consumer?.exclusive ?? false);
    if (consumer === undefined) {
      this.consumers.push({ session, out: session.beginConsuming(this.queue), prefetch, exclusive });
      return true;
    }
    consumer.prefetch = prefetch;
    consumer.exclusive = exclusive;
    return false;
  }

  remove(session: Session): void {
    const index = this.consumers.findIndex((each) => each.session === session);
    const [consumer] = index < 0 ? [] : this.consumers.splice(index, 1);
    if (consumer === undefined) return;
    session.endConsuming(this.queue);
    if (consumer.exclusive) this.exclusiveConsumers--;
    if (index < this.turn) this.turn--;
  }

  /** The last message of a deal went to this consumer. */
  endTurn(holder: string): void {
    this.turn = this.consumers.findIndex((each) => each.session.id === holder) + 1;
  }

  /** Whether this consumer alone is dealt to now; undefined: they all are. */
  isActive(session: Session): boolean | undefined {
    return this.isExclusive ? this.consumers[0]?.session === session : undefined;
  }

  /** The consumer of a lease that was asked for by `leaseRequests`, if it still is to have it. */
  claimant(holder: string): Consumer | undefined {
    const consumer = this.consumers.find((each) => each.session.id === holder);
    return consumer && this.isActive(consumer.session) !== false ? consumer : undefined;
  }

  /** What those that are dealt to may be given, in turn. */
  leaseRequests(): LeaseRequest[] {
    const requests: LeaseRequest[] = [];
    const { dealtTo } = this;
    const first = this.turn % Math.max(dealtTo, 1);
    for (let offset = 0; offset < dealtTo; offset++) {
      const consumer = this.consumers[(first + offset) % dealtTo];
      if (consumer === undefined || !consumer.session.attached) continue;
      const { id: holder, identity } = consumer.session;
      const limit = this.creditOf(consumer);
      const limitBytes = this.bytesLeftTo(consumer);
      if (limit > 0 && limitBytes > 0) requests.push({ holder, client: identity.clientId, limit, limitBytes });
    }
    return requests;
  }

  /** Whether one of those that are dealt to may be given something. */
  get hasCredit(): boolean {
    const { dealtTo } = this;
    for (let place = 0; place < dealtTo; place++) {
      const consumer = this.consumers[place];
      if (consumer?.session.attached && this.creditOf(consumer) > 0 && this.bytesLeftTo(consumer) > 0) return true;
    }
    return false;
  }

  /** How those that are dealt to stand. */
  standings(): Standing[] {
    return this.consumers.slice(0, this.dealtTo).map((consumer) => {
      const limit = this.creditOf(consumer);
      return {
        client: consumer.session.identity.clientId,
        out: consumer.prefetch - limit,
        prefetch: consumer.prefetch,
        hasCredit: limit > 0 && this.bytesLeftTo(consumer) > 0,
      };
    });
  }

  /** How many of them are dealt to. */
  private get dealtTo(): number {
    return this.isExclusive ? Math.min(1, this.consumers.length) : this.consumers.length;
  }

  /** Messages that a consumer may be given: fewer than none, where it has lowered its prefetch. */
  creditOf({ out, prefetch }: Consumer): number {
    return prefetch - out.deliveries.size;
  }

  private bytesLeftTo({ out }: Consumer): number {
    return this.prefetchBytes - out.bytes;
  }
}
