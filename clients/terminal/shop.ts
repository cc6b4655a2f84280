import { reasonOf, WaybillError } from "../../src/protocol/errors";
import { Nack, type HubClient, type ReceivedMessage } from "../hub-client";
import { isAway } from "./absence";
import { createSampleOrder, pickupMessage, readOrder, type Order } from "./order";
import type { OrderBook } from "./order-book";
import { shown } from "./screen";
import type { Say } from "./say";

/** Orders that may wait for the hub before the stream pauses: an hour of absence must not fill the memory. */
const MAX_WAITING = 1_000;

/** Milliseconds after which a confirmation that has not come is worth a line. */
const OVERDUE_MS = 1_000;

export interface ShopOptions {
  readonly store: string;
  /** The one driver to ask; undefined: whoever is free. */
  readonly driver: string | undefined;
  /** Made-up orders to place; undefined: without end. */
  readonly count: number | undefined;
  readonly say: Say;
  /** The hub does not allow this shop to place orders. */
  readonly onForbidden: (error: WaybillError) => void;
  /** Something about an order has changed. */
  readonly onChange: () => void;
}

/** Places orders and hears what becomes of them. */
export class Shop {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private paused = false;
  private stopped = false;
  /** Made-up orders so far. */
  private streamed = 0;

  constructor(
    private readonly client: HubClient,
    private readonly book: OrderBook,
    private readonly options: ShopOptions,
  ) {}

  /** Places one order; it is confirmed when the hub is there to do so. */
  async place(order: Order): Promise<void> {
    const { say, onChange } = this.options;
    const line = `${order.orderId}: ${shown(order.customer)}, ${shown(order.address)}`;
    const stopWaiting = this.sayWhenKept(`order ${line}`);
    const confirmed = await this.submit(order);
    stopWaiting();
    if (confirmed) say(`order confirmed ${line}`);
    onChange();
  }

  /** Places made-up orders all at once. */
  async burst(count: number): Promise<void> {
    const { client } = this;
    const { say, store, onChange } = this.options;
    const placed = `burst of ${count}: placed`;
    if (!isAway(client)) say(placed);
    const stopWaiting = this.sayWhenKept(placed);
    const orders = Array.from({ length: count }, () => createSampleOrder(store));
    const outcomes = await Promise.all(orders.map((order) => this.submit(order)));
    stopWaiting();
    // Closed first: the summary has said what is unconfirmed.
    if (client.state === "closed") return;
    say(`burst of ${count}: confirmed ${outcomes.filter(Boolean).length}`);
    onChange();
  }

  /** Places a made-up order now, and another each time the interval has passed. */
  stream(everyMs: number): void {
    if (this.stopped) return;
    const full = this.book.tally().unconfirmed >= MAX_WAITING;
    if (full && !this.paused)
      this.options.say(`${MAX_WAITING} orders wait for the hub: no further ones for now`, "bad");
    this.paused = full;
    if (!full) {
      this.streamed++;
      void this.place(createSampleOrder(this.options.store));
    }
    const goesOn = this.options.count === undefined || this.unplaced > 0;
    this.timer = goesOn ? setTimeout(() => this.stream(everyMs), everyMs) : undefined;
  }

  /** No further made-up orders, also if the stream is only about to begin. */
  stopStream(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Made-up orders that are still to be placed, of a number that was asked for. */
  get unplaced(): number {
    return (this.options.count ?? this.streamed) - this.streamed;
  }

  /** True when nothing more is to come by itself and every order was delivered or refused. */
  get settled(): boolean {
    return this.timer === undefined && this.book.tally().outstanding === 0;
  }

  /** Handler of the shop's own queue: news from drivers, also of orders that an earlier run placed. */
  readonly hear = (message: ReceivedMessage): void => {
    const order = readOrder(message.payload);
    if (order === undefined) throw new Nack({ dead: true, reason: "There is no order in it." });
    const orderId = shown(order.orderId);
    if (message.event === "in-transit") {
      this.book.progress(order);
      const driver = typeof order.driver === "string" ? ` with ${shown(order.driver)}` : "";
      this.options.say(`in transit ${orderId}${driver}`, "quiet");
    } else if (message.event === "delivered") {
      const first = this.book.deliver(order);
      if (first) this.options.say(`Thank you for your order ${shown(order.customer)} (${orderId})`, "good");
      else this.options.say(`heard again that ${orderId} was delivered`, "bad");
    } else {
      throw new Nack({ dead: true, reason: `A shop has no use for ${shown(message.event)}.` });
    }
    this.options.onChange();
  };

  /** Says of what was placed that it is kept: now, where the hub is away, or else when its answer is overdue. @returns what ends that. */
  private sayWhenKept(placed: string): () => void {
    const sayKept = (): void => this.options.say(`${placed} (kept until the hub confirms it)`, "bad");
    if (isAway(this.client)) {
      sayKept();
      return () => undefined;
    }
    const overdue = setTimeout(sayKept, OVERDUE_MS);
    return () => clearTimeout(overdue);
  }

  /** @returns whether the hub has stored it. */
  private async submit(order: Order): Promise<boolean> {
    this.book.place(order);
    try {
      await this.client.publish(pickupMessage(order, this.options.driver));
      this.book.confirm(order.orderId);
      return true;
    } catch (error) {
      // A client that was closed first has not been refused: the order counts as unconfirmed.
      if (this.client.state === "closed") return false;
      this.book.refuse(order.orderId);
      this.options.say(`order refused ${order.orderId}: ${reasonOf(error)}`, "bad");
      if (error instanceof WaybillError && error.code === "FORBIDDEN") this.options.onForbidden(error);
      return false;
    }
  }
}
