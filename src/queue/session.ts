import { IdTable, type ReadonlyIdTable } from "../protocol/id-table";
import type { DeliveryRef } from "../protocol/wire";
import type { Identity } from "./identity";
import type { Delivery, QueueAddress } from "./message";
import { Outstanding } from "./outstanding";
import type { Receiver } from "./receiver";

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

  /** It consumes a queue from now on. @returns what it has out of it, which stays the same until it consumes it no more. */
  beginConsuming(queue: QueueAddress): Outstanding {
    let out = this.outstanding.get(queue);
    if (out === undefined) this.outstanding.set(queue, (out = new Outstanding(queue)));
    out.isConsumed = true;
    return out;
  }

  /** It consumes a queue no more. What it holds of it stays with it until settled. */
  endConsuming(queue: QueueAddress): void {
    const out = this.outstanding.get(queue);
    if (out === undefined) return;
    out.isConsumed = false;
    this.dropIfOver(out);
  }

  /** Takes leases on, and hands them to the connection if there is one. */
  give(out: Outstanding, deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) if (out.take(delivery)) this.heldDeliveries++;
    this.receiver?.deliver(out.queue, deliveries, false);
  }

  /** Hands over once more what this session holds already. */
  giveAgain(queue: QueueAddress): void {
    const held = this.held(queue).values();
    if (held.length > 0) this.receiver?.deliver(queue, held, true);
  }

  /** Forgets a delivery that was settled or lost: see `Outstanding.forget`. */
  forget(out: Outstanding, delivery: Delivery): void {
    if (!out.forget(delivery)) return;
    this.heldDeliveries--;
    this.dropIfOver(out);
  }

  /** Takes leases back and says so to the connection. */
  revoke(queue: QueueAddress, deliveries: readonly DeliveryRef[], reason: string): void {
    const out = this.outOf(queue);
    for (const { id, attempt } of deliveries) {
      const delivery = out?.deliveries.get(id);
      if (out !== undefined && delivery?.attempt === attempt) this.forget(out, delivery);
    }
    this.receiver?.revoked(queue, deliveries, reason);
  }

  /** What it has out of a queue; undefined: nothing, and it does not consume it. */
  outOf(queue: QueueAddress): Outstanding | undefined {
    return this.outstanding.get(queue);
  }

  held(queue: QueueAddress): ReadonlyIdTable<Delivery> {
    return this.outOf(queue)?.deliveries ?? NOTHING;
  }

  /** Deliveries that are out, of all queues. */
  get heldCount(): number {
    return this.heldDeliveries;
  }

  /** Everything that is out, by queue. */
  *allHeld(): Iterable<[QueueAddress, ReadonlyIdTable<Delivery>]> {
    for (const [queue, { deliveries }] of this.outstanding) if (deliveries.size > 0) yield [queue, deliveries];
  }

  private dropIfOver(out: Outstanding): void {
    if (out.deliveries.size === 0 && !out.isConsumed) this.outstanding.delete(out.queue);
  }
}
