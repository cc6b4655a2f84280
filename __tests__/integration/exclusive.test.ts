import type { Deliver } from "../../src/protocol/wire";
import { sqliteFile, startHub, stopHubs, type StartedHub } from "../support/start-hub";
import { connectStock, type StockClient } from "../support/stock-client";

afterEach(stopHubs);

/** So long that nothing is given to another for want of it within a test. */
const LONG_MS = 60_000;

async function hubWithTwo(options: Parameters<typeof startHub>[0] = {}) {
  const hub = await startHub({ leaseMs: LONG_MS, graceMs: LONG_MS, ...options });
  return { hub, first: await clientOf(hub, "d1"), second: await clientOf(hub, "d2") };
}

async function clientOf(hub: StartedHub, clientId: string): Promise<StockClient> {
  return (await connectStock(hub.url, { auth: { clientId } })).client;
}

const consume = (client: StockClient, fields: object = {}) =>
  client.request("consume", { queue: "driver", exclusive: true, ...fields });
const publish = (client: StockClient, ...ids: string[]) =>
  client.request("publish", { messages: ids.map((id) => ({ id, queue: "driver", event: "pickup" })) });
const idsOf = ({ messages }: Deliver) => messages.map(({ id }) => id);

/** The ids of so many deliveries, however they were packed. */
async function received(client: StockClient, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) ids.push(...idsOf(await client.next<Deliver>("deliver")));
  return ids;
}

it("deals to the consumer that came first, and says who that is", async () => {
  const { first, second } = await hubWithTwo();
  expect(await consume(first)).toEqual({ ok: true, queue: "driver", ready: 0, active: true });
  expect(await consume(second)).toEqual({ ok: true, queue: "driver", ready: 0, active: false });
  await publish(second, "a", "b", "c", "d");
  expect(await received(first, 4)).toEqual(["a", "b", "c", "d"]);
  expect(second.received.filter(({ event }) => event === "deliver")).toEqual([]);
});

it("gives all to the next one, what was out as well, as soon as the first one's connection goes", async () => {
  const { first, second } = await hubWithTwo();
  await consume(first, { prefetch: 2 });
  await consume(second);
  await publish(second, "a", "b", "c");
  expect(await received(first, 2)).toEqual(["a", "b"]);
  first.cut();
  const taken = await second.next<Deliver>("deliver");
  expect(taken.messages[0]).toMatchObject({ id: "a", attempt: 2, redelivered: true });
  const rest = await received(second, 3 - taken.messages.length);
  expect([...idsOf(taken), ...rest]).toEqual(["a", "b", "c"]);
});

it("goes on with the next one at a cancel, and leaves what is out where it is", async () => {
  const { first, second } = await hubWithTwo();
  await consume(first, { prefetch: 1 });
  await consume(second);
  await publish(second, "a", "b");
  expect(await received(first, 1)).toEqual(["a"]);
  await first.request("cancel", { queue: "driver" });
  expect(await received(second, 1)).toEqual(["b"]);
  expect(await first.request("ack", { queue: "driver", deliveries: [{ id: "a", attempt: 1 }] })).toMatchObject({
    results: [{ id: "a", status: "acked" }],
  });
});

it("a session that comes back after another took over does not hold what it had", async () => {
  const hub = await startHub({ leaseMs: LONG_MS, graceMs: LONG_MS });
  const auth = { clientId: "d1" };
  const { client: first, welcome } = await connectStock<{ session: string }>(hub.url, { auth });
  const second = await clientOf(hub, "d2");
  await consume(first);
  await consume(second);
  await publish(second, "a");
  await first.next("deliver");
  first.cut();
  await second.next("deliver");
  const { client: back } = await connectStock(hub.url, { auth: { ...auth, session: welcome.session } });
  expect(await consume(back)).toMatchObject({ active: false });
  expect(await back.request("ack", { queue: "driver", deliveries: [{ id: "a", attempt: 1 }] })).toMatchObject({
    results: [{ id: "a", error: { code: "LEASE_LOST" } }],
  });
  expect(await second.request("ack", { queue: "driver", deliveries: [{ id: "a", attempt: 2 }] })).toMatchObject({
    results: [{ id: "a", status: "acked" }],
  });
});

it("a session that has come back keeps what it had until another one consumes before it", async () => {
  const hub = await startHub({ leaseMs: LONG_MS, graceMs: LONG_MS });
  const auth = { clientId: "d1" };
  const { client: first, welcome } = await connectStock<{ session: string }>(hub.url, { auth });
  await consume(first);
  await publish(first, "a", "b");
  await received(first, 2);
  first.cut();
  const { client: back } = await connectStock(hub.url, { auth: { ...auth, session: welcome.session } });
  expect(await back.request("ack", { queue: "driver", deliveries: [{ id: "a", attempt: 1 }] })).toMatchObject({
    results: [{ id: "a", status: "acked" }],
  });
  const second = await clientOf(hub, "d2");
  expect(await consume(second)).toMatchObject({ active: true });
  expect(await back.next("revoked")).toMatchObject({ queue: "driver", deliveries: [{ id: "b", attempt: 1 }] });
  expect((await second.next<Deliver>("deliver")).messages).toMatchObject([{ id: "b", attempt: 2 }]);
});

it("revokes nothing of a session that has come back and settled all", async () => {
  const hub = await startHub({ leaseMs: LONG_MS, graceMs: LONG_MS });
  const auth = { clientId: "d1" };
  const { client: first, welcome } = await connectStock<{ session: string }>(hub.url, { auth });
  await consume(first);
  await publish(first, "a");
  await received(first, 1);
  first.cut();
  const { client: back } = await connectStock(hub.url, { auth: { ...auth, session: welcome.session } });
  await back.request("ack", { queue: "driver", deliveries: [{ id: "a", attempt: 1 }] });
  const second = await clientOf(hub, "d2");
  await consume(second);
  await publish(second, "b");
  expect(await received(second, 1)).toEqual(["b"]);
  // All that was said to it before has come with the answer.
  await back.request("cancel", { queue: "driver" });
  expect(back.received.filter(({ event }) => event === "revoked")).toEqual([]);
});

it("counts no failure when the hub is restarted in order while the active one has something out", async () => {
  const { hub, first, second } = await hubWithTwo({ store: sqliteFile(), maxAttempts: 1 });
  await consume(first);
  await consume(second);
  await publish(second, "a");
  expect(await received(first, 1)).toEqual(["a"]);
  await hub.restart();
  const third = await clientOf(hub, "d3");
  await consume(third);
  const { messages } = await third.next<Deliver>("deliver");
  expect(messages).toMatchObject([{ id: "a", attempt: 2, redelivered: true }]);
});

it("ends with the last one that wants it: then all are dealt to", async () => {
  const { first, second } = await hubWithTwo();
  expect(await consume(first, { prefetch: 1 })).toMatchObject({ active: true });
  expect(await consume(second, { prefetch: 1, exclusive: false })).toMatchObject({ active: false });
  await publish(second, "a", "b");
  expect(await received(first, 1)).toEqual(["a"]);
  expect(await consume(first, { prefetch: 1, exclusive: false })).toEqual({ ok: true, queue: "driver", ready: 1 });
  expect(await received(second, 1)).toEqual(["b"]);
});
