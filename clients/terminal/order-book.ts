import type { Order } from "./order";

/**
 * ```
 * placed ──▶ confirmed ──▶ in transit ──▶ delivered
 *   └────────────────┴──▶ (any later one; the hub's answer may be the last to arrive)
 * placed ──▶ refused
 * ```
 */
export type OrderState = "placed" | "confirmed" | "in transit" | "delivered" | "refused";

interface Entry {
  readonly order: Order;
  /** False for an order of an earlier run of this shop, of which only the news is heard now. */
  readonly placedHere: boolean;
  state: OrderState;
  confirmed: boolean;
}

export interface VendorTally {
  readonly sent: number;
  /** Of those sent: the hub answered that they are stored. */
  readonly confirmed: number;
  /** Of those sent. */
  readonly delivered: number;
  /** Of those sent: neither delivered nor refused. */
  readonly outstanding: number;
  readonly unconfirmed: number;
  readonly refused: number;
  /** Delivered now, but ordered in an earlier run. */
  readonly deliveredEarlier: number;
}

/** Settled orders that are remembered, to be listed and to notice one that is delivered twice. */
const MAX_SETTLED = 10_000;

/** A shop's orders and where each of them is. */
export class OrderBook {
  private readonly entries = new Map<string, Entry>();
  /** Order ids, the longest settled first. */
  private readonly settled = new Set<string>();
  private sent = 0;
  private confirmed = 0;
  private delivered = 0;
  private refused = 0;
  private deliveredEarlier = 0;

  place(order: Order): void {
    this.sent++;
    this.entries.set(order.orderId, { order, placedHere: true, state: "placed", confirmed: false });
  }

  confirm(orderId: string): void {
    const entry = this.entries.get(orderId);
    if (entry === undefined) {
      // News can outrun the confirmation by so much that the order was settled and forgotten meanwhile.
      this.confirmed++;
    } else if (!entry.confirmed) {
      entry.confirmed = true;
      this.confirmed++;
      if (entry.state === "placed") entry.state = "confirmed";
    }
  }

  /** The hub will not have it. */
  refuse(orderId: string): void {
    const entry = this.entries.get(orderId);
    if (entry?.state !== "placed") return;
    this.refused++;
    this.settle(entry, "refused");
  }

  progress(order: Order): void {
    const entry = this.entryOf(order);
    if (entry.state === "placed" || entry.state === "confirmed") entry.state = "in transit";
  }

  /** @returns false when this order was delivered before: the same news, a second time. */
  deliver(order: Order): boolean {
    const entry = this.entryOf(order);
    if (entry.state === "delivered") return false;
    if (entry.placedHere) this.delivered++;
    else this.deliveredEarlier++;
    this.settle(entry, "delivered");
    return true;
  }

  tally(): VendorTally {
    const { sent, confirmed, delivered, refused, deliveredEarlier } = this;
    return {
      sent,
      confirmed,
      delivered,
      outstanding: sent - delivered - refused,
      unconfirmed: sent - confirmed - refused,
      refused,
      deliveredEarlier,
    };
  }

  /** Orders that are remembered. */
  get size(): number {
    return this.entries.size;
  }

  /** The latest orders, oldest first. */
  latest(limit: number): readonly { readonly order: Order; readonly state: OrderState }[] {
    return [...this.entries.values()].slice(-limit);
  }

  private entryOf(order: Order): Entry {
    const known = this.entries.get(order.orderId);
    if (known) return known;
    const entry: Entry = { order, placedHere: false, state: "confirmed", confirmed: true };
    this.entries.set(order.orderId, entry);
    return entry;
  }

  private settle(entry: Entry, state: "delivered" | "refused"): void {
    entry.state = state;
    this.settled.add(entry.order.orderId);
    if (this.settled.size <= MAX_SETTLED) return;
    for (const oldest of this.settled) {
      this.settled.delete(oldest);
      this.entries.delete(oldest);
      return;
    }
  }
}

/** @param unplaced orders that were asked for, and not placed before the end. */
export function describeVendorTally(tally: VendorTally, unplaced = 0): string {
  const { sent, confirmed, delivered, outstanding, refused, deliveredEarlier } = tally;
  const parts = [`sent ${sent}`, `confirmed ${confirmed}`, `delivered ${delivered}`, `outstanding ${outstanding}`];
  if (unplaced > 0) parts.push(`not placed ${unplaced}`);
  if (refused > 0) parts.push(`refused ${refused}`);
  if (deliveredEarlier > 0) parts.push(`delivered from an earlier run ${deliveredEarlier}`);
  return parts.join(", ");
}
