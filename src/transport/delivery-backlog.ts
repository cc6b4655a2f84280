import { sizeOf, type Delivery, type QueueAddress } from "../queue/message";
import type { Session } from "../queue/session";

/** Deliveries of one queue that go out together. */
export interface Deliveries {
  readonly queue: QueueAddress;
  readonly deliveries: readonly Delivery[];
  /** Whether the client may have had them before. */
  readonly again: boolean;
}

/** Those of them that still wait are behind the first so many. */
interface Waiting extends Deliveries {
  taken: number;
}

/** Deliveries past those that are out, of which so many may lie about that are over meanwhile. */
const SPARE = 1_000;

/**
 * Deliveries of one connection that wait until its client has read more of what was sent before. Not their texts: they are in
 * memory as long as they are out in any case. A client that consumes many queues may be given more at once than a
 * connection holds, and one that reads all of it is not to be taken for one that does not read.
 */
export class DeliveryBacklog {
  private line: Waiting[] = [];
  private count = 0;

  /** @param session to which they are out. */
  constructor(private readonly session: Pick<Session, "heldCount" | "outOf">) {}

  add(deliveries: Deliveries): void {
    this.line.push({ ...deliveries, taken: 0 });
    this.count += deliveries.deliveries.length;
    // Guard against a client that reads nothing: leases run out, and it is dealt the same messages again.
    if (this.count > 2 * this.session.heldCount + SPARE) this.dropEnded();
  }

  /** Takes the next ones of a queue, of about so many bytes, as `sizeOf` counts; undefined: there are none. */
  take(bytes: number): Deliveries | undefined {
    for (let next = this.line[0]; next !== undefined; next = this.line[0]) {
      const { queue, again } = next;
      const deliveries = this.takeFrom(next, bytes);
      if (next.taken === next.deliveries.length) this.line.shift();
      if (deliveries.length > 0) return { queue, deliveries, again };
    }
    return undefined;
  }

  /** Takes all out that are of a queue, and still out. */
  takeAllOf(queue: QueueAddress): readonly Delivery[] {
    const own = this.line.filter((each) => each.queue === queue);
    this.line = this.line.filter((each) => each.queue !== queue);
    return own.flatMap((each) => this.takeFrom(each, Infinity));
  }

  /** Those that are over meanwhile are passed over. */
  private takeFrom(waiting: Waiting, bytes: number): readonly Delivery[] {
    const taken: Delivery[] = [];
    let takenBytes = 0;
    while (takenBytes < bytes) {
      const delivery = waiting.deliveries[waiting.taken];
      if (delivery === undefined) break;
      waiting.taken++;
      this.count--;
      if (!this.isOut(waiting.queue, delivery)) continue;
      taken.push(delivery);
      takenBytes += sizeOf(delivery.message);
    }
    return taken;
  }

  private dropEnded(): void {
    this.line = this.line.flatMap(({ queue, deliveries, taken, again }) => {
      const left = deliveries.slice(taken).filter((delivery) => this.isOut(queue, delivery));
      return left.length === 0 ? [] : [{ queue, deliveries: left, taken: 0, again }];
    });
    this.count = this.line.reduce((sum, { deliveries }) => sum + deliveries.length, 0);
  }

  private isOut(queue: QueueAddress, delivery: Delivery): boolean {
    return this.session.outOf(queue)?.deliveries.get(delivery.message.id) === delivery;
  }
}

/** Whether deliveries come to no more than so many bytes, as `sizeOf` counts. */
export function fitIn(bytes: number, deliveries: readonly Delivery[]): boolean {
  let left = bytes;
  return deliveries.every(({ message }) => (left -= sizeOf(message)) >= 0);
}
