/** Deliveries of several queues in one packet, for clients that asked for it, and settlements of several in one request. */
import type { Deliver, SettleRef } from "../../src/protocol/wire";
import { startHub, stopHubs } from "../support/start-hub";
import { connectStock, type StockClient } from "../support/stock-client";

afterEach(stopHubs);

const QUEUES = ["north", "south", "east"];

/** A client that consumes all queues, each of which has been given one message in one publish. */
async function consumerOfAll(auth: object): Promise<StockClient> {
  const { url } = await startHub();
  const { client } = await connectStock(url, { auth: { clientId: "d7", ...auth } });
  for (const queue of QUEUES) await client.request("consume", { queue });
  await client.request("publish", { messages: QUEUES.map((queue) => ({ id: `to-${queue}`, queue, event: "e" })) });
  return client;
}

const idsOf = ({ queue, messages }: Deliver): string[] => messages.map(({ id }) => `${queue} ${id}`);
const refsOf = ({ queue, messages }: Deliver): SettleRef[] =>
  messages.map(({ id, attempt }) => ({ id, attempt, queue }));

it("one deliver brings those of several queues, in a list, to a client that says together", async () => {
  const client = await consumerOfAll({ together: true });
  const delivered = await client.next<Deliver[]>("deliver");
  expect(delivered.map(idsOf)).toEqual([["north to-north"], ["south to-south"], ["east to-east"]]);
  await client.request("publish", { id: "alone", queue: "south", event: "e" });
  expect(idsOf(await client.next<Deliver>("deliver"))).toEqual(["south alone"]);
});

it("each queue has a deliver of its own where the client does not say so", async () => {
  const client = await consumerOfAll({});
  for (const queue of QUEUES) expect(idsOf(await client.next<Deliver>("deliver"))).toEqual([`${queue} to-${queue}`]);
});

it("one ack settles deliveries of several queues, each by its own", async () => {
  const client = await consumerOfAll({ together: true });
  const deliveries = (await client.next<Deliver[]>("deliver")).flatMap(refsOf);
  delete deliveries[0]?.queue;
  const acked = await client.request("ack", { queue: "north", deliveries });
  expect(acked).toMatchObject({ ok: true, results: QUEUES.map((queue) => ({ id: `to-${queue}`, status: "acked" })) });
});

it("a delivery is of the queue that it names, and of no other", async () => {
  const client = await consumerOfAll({ together: true });
  const [north, south] = (await client.next<Deliver[]>("deliver")).flatMap(refsOf);
  const deliveries = [{ ...north, queue: "south" }, south];
  expect(await client.request("ack", { queue: "north", deliveries })).toMatchObject({
    results: [{ id: "to-north", error: { code: "LEASE_LOST" } }, { status: "acked" }],
  });
});

it.each([
  ["nack", { delayMs: 0 }, "nacked"],
  ["extend", { leaseMs: 60_000 }, "extended"],
] as const)("one %s is for several queues as well", async (request, how, status) => {
  const client = await consumerOfAll({ together: true });
  const deliveries = (await client.next<Deliver[]>("deliver")).flatMap(refsOf);
  const settled = await client.request(request, { deliveries, ...how });
  expect(settled).toMatchObject({ ok: true, results: QUEUES.map((queue) => ({ id: `to-${queue}`, status })) });
});
