/** Clients that carry orders from a publish to its ack, as many at a time as they keep in flight. */
import { order } from "../../bench/order";
import { connect } from "../../clients/hub-client";
import type { AckReply, Deliver, PublishReply } from "../../src/protocol/wire";
import { connectStock, type StockClient } from "../support/stock-client";

export interface Carrier {
  /** Resolves when so many orders are confirmed, delivered and acked. */
  carry(messages: number): Promise<void>;
}

/** How a carrier is connected to the hub at this URL, and consumes its queue. */
export type OpenCarrier = (url: string) => Promise<Carrier>;

const QUEUE = "driver";
const LIBRARY_IN_FLIGHT = 500;
const STOCK_IN_FLIGHT = 50;
const STOCK_PREFETCH = 100;

/** The library: a promise for each publish, a call of the handler for each delivery. */
export async function openLibrary(url: string): Promise<Carrier> {
  const client = connect(url, { clientId: "shop" });
  const handled = new Count();
  await client.consume(QUEUE, () => handled.one(), { prefetch: 2 * LIBRARY_IN_FLIGHT });
  return {
    async carry(messages) {
      await inFlight(LIBRARY_IN_FLIGHT, messages, (number) =>
        client.publish({ queue: QUEUE, event: "pickup", payload: order(number) }),
      );
      await handled.reach(messages);
      // Its last acks are on their way.
      await client.close();
    },
  };
}

/** Socket.IO's own client: a packet for each publish, and one for each ack. */
export async function openStock(url: string): Promise<Carrier> {
  const { client: publisher } = await connectStock(url, { auth: { clientId: "shop" } });
  const { client: consumer } = await connectStock(url, { auth: { clientId: "driver-1" } });
  const acked = new Count();
  consumer.socket.on("deliver", (deliver: Deliver) => ackOneByOne(consumer, deliver, acked));
  await consumer.request("consume", { queue: QUEUE, prefetch: STOCK_PREFETCH });
  return {
    async carry(messages) {
      await inFlight(STOCK_IN_FLIGHT, messages, async (number) => {
        const message = { queue: QUEUE, event: "pickup", payload: order(number) };
        const reply = (await publisher.socket.emitWithAck("publish", message)) as PublishReply;
        if (!reply.ok) throw new Error(reply.error.message);
      });
      await acked.reach(messages);
    },
  };
}

function ackOneByOne({ socket }: StockClient, { queue, messages }: Deliver, acked: Count): void {
  for (const { id, attempt } of messages) {
    socket.emit("ack", { queue, deliveries: [{ id, attempt }] }, (reply: AckReply) => {
      if (reply.ok) acked.one();
    });
  }
}

/** Begins as many at once, and the next one as soon as one is done. */
async function inFlight(window: number, total: number, send: (number: number) => Promise<unknown>): Promise<void> {
  let number = 0;
  const lane = async (): Promise<void> => {
    while (number < total) await send(number++);
  };
  await Promise.all(Array.from({ length: window }, lane));
}

class Count {
  private count = 0;
  private changed = (): void => {};

  one(): void {
    this.count++;
    this.changed();
  }

  async reach(count: number): Promise<void> {
    while (this.count < count) await new Promise<void>((resolve) => (this.changed = resolve));
  }
}
