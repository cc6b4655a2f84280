import { WaybillError } from "../protocol/errors";
import type { Clock } from "./clock";
import type { Dispatcher } from "./dispatcher";
import type { HandOver } from "./hand-over";
import { queueAddress, type Delivery, type QueueAddress } from "./message";
import type { Session } from "./session";
import type { Store } from "./store";

/** How a session wants to consume a queue. */
export interface Consumption {
  /** Deliveries that may be out to it unsettled. */
  readonly prefetch: number;
  /** Whether it will have no other consumer beside it: then only the one that has been there longest is dealt to. */
  readonly exclusive: boolean;
}

/** What a session that consumes a queue is told of it. */
export interface Consuming {
  /** Messages that are ready. */
  readonly ready: number;
  /** In a queue that is dealt to one consumer at a time: whether it is this one. Undefined in any other. */
  readonly active: boolean | undefined;
}

/** A request to consume that waits for the store. */
interface Arrival {
  readonly queue: QueueAddress;
  readonly session: Session;
  /** Its session has cancelled the queue meanwhile. */
  isCancelled: boolean;
}

/** Who may consume what, and what a consumer finds and leaves there. */
export class Consumers {
  private readonly arriving = new Set<Arrival>();

  constructor(
    private readonly store: Pick<Store, "stats">,
    private readonly clock: Clock,
    private readonly dispatcher: Dispatcher,
    private readonly handOver: HandOver,
    private readonly maxPerSession: number,
  ) {}

  /** Has a queue's messages given to this session from now on; said again, changes its prefetch and its wish to be alone. */
  async consume(session: Session, queueName: string, { prefetch, exclusive }: Consumption): Promise<Consuming> {
    if (!session.identity.mayConsume(queueName)) {
      throw new WaybillError("FORBIDDEN", `${session.identity.clientId} may not consume "${queueName}".`);
    }
    const queue = queueAddress(session.namespace, queueName);
    const { connection } = session;
    const arrival: Arrival = { queue, session, isCancelled: false };
    this.arriving.add(arrival);
    const { ready } = await this.store.stats(queue).finally(() => this.arriving.delete(arrival));
    // Guard against a connection that went while the store answered: one that has taken its place asks for itself.
    if (connection === undefined || session.connection !== connection) {
      throw new WaybillError("LEASE_LOST", "The connection is gone.");
    }
    // Guard against a cancel that was sent right behind: it is done already, and has found nothing to end.
    if (arrival.isCancelled) return { ready, active: this.dispatcher.isActive(queue, session) };
    if (!this.dispatcher.consumes(queue, session) && this.dispatcher.queueCount(session) >= this.maxPerSession) {
      throw new WaybillError("LIMIT_REACHED", `A connection may consume ${this.maxPerSession} queues at once.`);
    }
    const isNew = this.dispatcher.add(queue, session, prefetch, exclusive);
    if (isNew) {
      this.handOver.arrive(queue, session);
      session.giveAgain(queue);
    }
    // After the reply, so that a consumer knows its queue before its first delivery.
    this.clock.soon(() => this.dispatcher.deal(queue));
    return { ready, active: this.dispatcher.isActive(queue, session) };
  }

  /** Ends a consumer, as `Broker.cancel` says. */
  cancel(session: Session, queueName: string, unsent: readonly Delivery[]): void {
    const queue = queueAddress(session.namespace, queueName);
    for (const arrival of this.arriving) {
      if (arrival.queue === queue && arrival.session === session) arrival.isCancelled = true;
    }
    const wasActive = this.dispatcher.remove(queue, session);
    if (unsent.length > 0) this.handOver.giveBack(queue, session, unsent);
    else if (wasActive) this.dispatcher.deal(queue);
  }
}
