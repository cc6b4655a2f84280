import { IdTable, type ReadonlyIdTable } from "../protocol/id-table";
import type { DeliveryRef } from "../protocol/wire";
import type { Identity } from "./identity";
import { sizeOf, type Delivery, type QueueAddress } from "./message";
import type { Receiver } from "./receiver";

/** What a session has out of one queue. */
interface Outstanding {
  readonly deliveries: IdTable<Delivery>;
  bytes: number;
  /** No more will come: it is forgotten when it is settled. */
  isOver: boolean;
}

const NOTHING: ReadonlyIdTable<Delivery> = new IdTable();

/**
 * The holder of leases: what outlives a dropped connection for its grace. At most one connection is its receiver.
 * Keeps count of what is out, so that credit is known without asking the store.
 */
export class Session {
  readonly id: string;
  readonly namespace: string;
  /** As of the last handshake: a new token may grant more, or less. */
  identity: Identity;
  /** The connection that deliveries go to; undefined while the session waits for its client to come back. */
  private receiver: Receiver | undefined;
  /** By queue that it consumes, or has something out of. */
  private readonly outstanding = new Map<QueueAddress, Outstanding>();
  private heldDeliveries = 0;

  constructor(id: string, namespace: string, identity: Identity, receiver: Receiver) {
    this.id = id;
    this.namespace = namespace;
    this.identity = identity;
    this.receiver = receiver;
  }

  get attached(): boolean {
    return this.receiver !== undefined;
  }

  /** The connection that deliveries go to, to see whether it still is the one that asked. */
  get connection(): Receiver | undefined {
    return this.receiver;
  }

  /** Puts another connection in the place of the one before. */
  attach(receiver: Receiver, identity: Identity): void {
    const former = this.receiver;
    this.receiver = receiver;
    this.identity = identity;
    former?.replaced();
  }

  /** @returns false when `receiver` had been replaced, so that its going changes nothing. */
  detach(receiver: Receiver): boolean {
    if (this.receiver !== receiver) return false;
    this.receiver = undefined;
    return true;
  }

  /** Takes leases on, and hands them to the connection if there is one. */
  give(queue: QueueAddress, deliveries: readonly Delivery[]): void {
    const out = this.outstandingOf(queue);
    out.isOver = false;
    for (const delivery of deliveries) {
      const former = out.deliveries.get(delivery.message.id);
      // Guard against a message that is back before the end of its last attempt was noted here.
      if (former) out.bytes -= sizeOf(former.message);
      else this.heldDeliveries++;
      out.deliveries.set(delivery.message.id, delivery);
      out.bytes += sizeOf(delivery.message);
    }
    this.receiver?.deliver(queue, deliveries, false);
  }

  /** Hands over once more what this session holds already. */
  giveAgain(queue: QueueAddress): void {
    const held = this.held(queue).values();
    if (held.length > 0) this.receiver?.deliver(queue, held, true);
  }

  /**
   * Forgets a delivery that was settled or lost. Another of the same id stays: a newer attempt, or the next message of that
   * id, which may be here under the same attempt by now.
   */
  forget(queue: QueueAddress, delivery: Delivery | undefined): void {
    const out = this.outstanding.get(queue);
    if (out === undefined || delivery === undefined) return;
    const { id } = delivery.message;
    if (out.deliveries.get(id) !== delivery) return;
    out.deliveries.delete(id);
    out.bytes -= sizeOf(delivery.message);
    this.heldDeliveries--;
    if (out.isOver && out.deliveries.size === 0) this.outstanding.delete(queue);
  }

  /** It consumes a queue no more. What it holds of it stays with it until settled. */
  endConsuming(queue: QueueAddress): void {
    const out = this.outstanding.get(queue);
    if (out === undefined) return;
    out.isOver = true;
    if (out.deliveries.size === 0) this.outstanding.delete(queue);
  }

  /** Takes leases back and says so to the connection. */
  revoke(queue: QueueAddress, deliveries: readonly DeliveryRef[], reason: string): void {
    const held = this.held(queue);
    for (const { id, attempt } of deliveries) {
      const delivery = held.get(id);
      if (delivery?.attempt === attempt) this.forget(queue, delivery);
    }
    this.receiver?.revoked(queue, deliveries, reason);
  }

  held(queue: QueueAddress): ReadonlyIdTable<Delivery> {
    return this.outstanding.get(queue)?.deliveries ?? NOTHING;
  }

  heldBytes(queue: QueueAddress): number {
    return this.outstanding.get(queue)?.bytes ?? 0;
  }

  /** Deliveries that are out, of all queues. */
  get heldCount(): number {
    return this.heldDeliveries;
  }

  /** Everything that is out, by queue. */
  *allHeld(): Iterable<[QueueAddress, ReadonlyIdTable<Delivery>]> {
    for (const [queue, { deliveries }] of this.outstanding) if (deliveries.size > 0) yield [queue, deliveries];
  }

  private outstandingOf(queue: QueueAddress): Outstanding {
    let out = this.outstanding.get(queue);
    if (out === undefined) {
      out = { deliveries: new IdTable(), bytes: 0, isOver: false };
      this.outstanding.set(queue, out);
    }
    return out;
  }
}
