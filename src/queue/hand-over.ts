import type { Dispatcher } from "./dispatcher";
import type { Delivery, QueueAddress } from "./message";
import type { RuleBook } from "./queue-rules";
import type { Session } from "./session";
import { RELEASE, settleAbandoned } from "./settlement";
import type { Settler } from "./settler";

/**
 * What becomes of what a consumer has out as it goes. Where its client was never sent it, the queue has it back at once. Where
 * it alone was dealt to and its connection is gone, the next consumer of the queue has it, before anything else. While there is no
 * other, that waits for the client's grace, as anything else that is out.
 */
export class HandOver {
  /** Who was dealt to last in queues without a consumer, and has deliveries of theirs. */
  private readonly leavers = new Map<QueueAddress, Session>();
  /** The same, by session. */
  private readonly left = new Map<Session, Set<QueueAddress>>();
  private stopped = false;

  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly settler: Settler,
    private readonly rules: RuleBook,
  ) {}

  /** Ends all consumers of a session, whose connection is gone. */
  leaveAll(session: Session): void {
    for (const queue of this.dispatcher.removeAll(session)) {
      if (this.dispatcher.consumerCount(queue) > 0) this.takeOver(queue, session);
      else if (session.held(queue).size > 0) this.note(queue, session);
    }
  }

  /** What a session holds, and its client has never seen, is given back before anything else is dealt. */
  giveBack(queue: QueueAddress, session: Session, deliveries: readonly Delivery[]): void {
    const out = session.outOf(queue);
    if (out !== undefined) for (const delivery of deliveries) session.forget(out, delivery);
    this.dispatcher.dealAfter(
      queue,
      this.settler.settleAll(queue, deliveries, () => RELEASE),
    );
  }

  /** A session has begun to consume a queue. */
  arrive(queue: QueueAddress, session: Session): void {
    const former = this.leavers.get(queue);
    if (former === undefined) return;
    this.leavers.delete(queue);
    if (former !== session) this.takeOver(queue, former);
  }

  /** A session has ended, with all that it held. */
  forget(session: Session): void {
    for (const queue of this.left.get(session) ?? []) {
      if (this.leavers.get(queue) === session) this.leavers.delete(queue);
    }
    this.left.delete(session);
  }

  /**
   * Hands nothing over any more: the hub is going down, and deals nothing to a next one. What is out ends with it, which
   * is no failure, and is given again by its next start.
   */
  stop(): void {
    this.stopped = true;
  }

  private note(queue: QueueAddress, session: Session): void {
    this.leavers.set(queue, session);
    const queues = this.left.get(session);
    if (queues) queues.add(queue);
    else this.left.set(session, new Set([queue]));
  }

  private takeOver(queue: QueueAddress, former: Session): void {
    if (this.stopped) return;
    const held = former.held(queue).values();
    const refs = held.map(({ message, attempt }) => ({ id: message.id, attempt }));
    // Its client may be back, and have settled all of it.
    if (refs.length > 0) former.revoke(queue, refs, "another consumer of this queue has taken over");
    const policy = this.rules.of(queue);
    const returned = this.settler.settleAll(queue, held, ({ message }) => settleAbandoned(message, policy));
    this.dispatcher.dealAfter(queue, returned);
  }
}
