import { reasonOf, WaybillError } from "../../src/protocol/errors";
import { Nack, type HubClient, type ReceivedMessage } from "../hub-client";
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

  constructor(
    private readonly client: HubClient,
    private readonly book: OrderBook,
    private readonly options: ShopOptions,
  ) {}

  /** Places one order; it is confirmed when the hub is there to do so. */
  async place(order: Order): Promise<void> {
    const { say, onChange } = this.options;
    const line = `${order.orderId}: ${shown(order.customer)}, ${shown(order.address)}`;
    const sayKept = (): void => say(`order ${line} (kept until the hub confirms it)`, "bad");
    const connected = this.client.state === "connected";
    if (!connected) sayKept();
    const overdue = connected ? setTimeout(sayKept, OVERDUE_MS) : undefined;
    const confirmed = await this.submit(order);
    clearTimeout(overdue);
    if (confirmed) say(`order confirmed ${line}`);
    onChange();
  }

  /** Places made-up orders all at once. */
  async burst(count: number): Promise<void> {
    this.options.say(`burst of ${count}: placed`);
    const orders = Array.from({ length: count }, () => createSampleOrder(this.options.store));
    const outcomes = await Promise.all(orders.map((order) => this.submit(order)));
    this.options.say(`burst of ${count}: confirmed ${outcomes.filter(Boolean).length}`);
    this.options.onChange();
  }

  /** Places a made-up order now, and another each time the interval has passed; `count` of them, or without end. */
  stream(everyMs: number, count = Number.POSITIVE_INFINITY): void {
    if (this.stopped) return;
    const full = this.book.tally().unconfirmed >= MAX_WAITING;
    if (full && !this.paused)
      this.options.say(`${MAX_WAITING} orders wait for the hub: no further ones for now`, "bad");
    this.paused = full;
    if (!full) void this.place(createSampleOrder(this.options.store));
    const left = full ? count : count - 1;
    this.timer = left > 0 ? setTimeout(() => this.stream(everyMs, left), everyMs) : undefined;
  }

  /** No further made-up orders, also if the stream is only about to begin. */
  stopStream(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.timer = undefined;
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
