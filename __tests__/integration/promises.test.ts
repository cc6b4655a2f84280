/** What the README promises, each by its name, on each store, as a stock client sees it. */
import jwt from "jsonwebtoken";
import type { Deliver, DeliveredMessage, DeliveryRef } from "../../src/protocol/wire";
import { sqliteFile, startHub, stopHubs } from "../support/start-hub";
import { connectStock, type StockClient } from "../support/stock-client";

afterEach(stopHubs);

const QUEUE = "driver";

async function client(url: string, clientId: string): Promise<StockClient> {
  return (await connectStock(url, { auth: { clientId } })).client;
}

function publish(from: StockClient, id: string, fields: object = {}): Promise<unknown> {
  return from.request("publish", { id, queue: QUEUE, event: "pickup", payload: { id }, ...fields });
}

/** The next `count` messages that come, in their order. */
async function take(consumer: StockClient, count: number): Promise<DeliveredMessage[]> {
  const messages: DeliveredMessage[] = [];
  while (messages.length < count) messages.push(...(await consumer.next<Deliver>("deliver")).messages);
  return messages;
}

const refs = (messages: readonly DeliveredMessage[]): DeliveryRef[] =>
  messages.map(({ id, attempt }) => ({ id, attempt }));
const ids = (messages: readonly DeliveredMessage[]): string[] => messages.map(({ id }) => id);
const ack = (consumer: StockClient, messages: readonly DeliveredMessage[]): Promise<unknown> =>
  consumer.request("ack", { queue: QUEUE, deliveries: refs(messages) });
const refusedAs = (code: string): object => ({ results: [{ error: { code } }] });

describe.each([
  ["memory", (): string => "memory:", "memory"],
  ["sqlite", sqliteFile, "disk"],
] as const)("on the %s store", (_name, newStore, durability) => {
  test("1. Confirmed means stored", async () => {
    const hub = await startHub({ store: newStore() });
    expect(await publish(await client(hub.url, "acme"), "a")).toMatchObject({ ok: true, durability });
    // A memory store promises no more than it says.
    if (durability === "disk") await hub.restart();
    const driver = await client(hub.url, "d1");
    await driver.request("consume", { queue: QUEUE });
    expect(ids(await take(driver, 1))).toEqual(["a"]);
  });

  test("2. Nothing vanishes", async () => {
    const hub = await startHub({ store: newStore(), maxAttempts: 2, backoffMs: 0 });
    const driver = await client(hub.url, "d1");
    await publish(driver, "poison");
    await driver.request("consume", { queue: QUEUE });
    for (const status of ["nacked", "dead"]) {
      const deliveries = refs(await take(driver, 1));
      const nacked = await driver.request("nack", { queue: QUEUE, deliveries, reason: "no such street" });
      expect(nacked).toMatchObject({ results: [{ id: "poison", status }] });
    }
    expect(await driver.request("dead", { queue: QUEUE })).toMatchObject({
      total: 1,
      messages: [{ id: "poison", failures: 2, reason: "attempts", error: "no such street" }],
    });
  });

  test("3. One holder at a time", async () => {
    const hub = await startHub({ store: newStore(), graceMs: 0 });
    const [first, second] = [await client(hub.url, "d1"), await client(hub.url, "d2")];
    await first.request("consume", { queue: QUEUE });
    await publish(first, "a");
    const [given] = await take(first, 1);
    expect(given).toMatchObject({ attempt: 1 });
    expect(given).not.toHaveProperty("redelivered");
    expect(await second.request("consume", { queue: QUEUE })).toMatchObject({ ready: 0 });
    expect(await ack(second, given ? [given] : [])).toMatchObject(refusedAs("LEASE_LOST"));
    first.socket.disconnect();
    const [again] = await take(second, 1);
    expect(again).toMatchObject({ id: "a", attempt: 2, redelivered: true });
    expect(await ack(second, given ? [given] : [])).toMatchObject(refusedAs("LEASE_LOST"));
    expect(await ack(second, again ? [again] : [])).toMatchObject({ results: [{ status: "acked" }] });
  });

  test("4. Order", async () => {
    const hub = await startHub({ store: newStore(), backoffMs: 0 });
    const driver = await client(hub.url, "d1");
    for (const id of ["a", "b"]) await publish(driver, id);
    await publish(driver, "urgent", { priority: 9 });
    for (const id of ["g1", "g2"]) await publish(driver, id, { group: "g" });
    await driver.request("consume", { queue: QUEUE });
    const out = await take(driver, 4);
    expect(ids(out)).toEqual(["urgent", "a", "b", "g1"]);
    await driver.request("nack", { queue: QUEUE, deliveries: refs(out.slice(3)) });
    const retried = await take(driver, 1);
    expect(retried).toMatchObject([{ id: "g1", attempt: 2 }]);
    await ack(driver, retried);
    expect(ids(await take(driver, 1))).toEqual(["g2"]);
  });

  test("5. Once per id", async () => {
    const hub = await startHub({ store: newStore() });
    const driver = await client(hub.url, "d1");
    const first = (await publish(driver, "a")) as { results: [{ seq: number }] };
    const { seq } = first.results[0];
    expect(await publish(driver, "a")).toMatchObject({ results: [{ id: "a", seq, status: "duplicate" }] });
    expect(await driver.request("consume", { queue: QUEUE })).toMatchObject({ ready: 1 });
  });

  test("6. Silence is not an ack", async () => {
    const hub = await startHub({ store: newStore(), leaseMs: 100, backoffMs: 0 });
    const [silent, other] = [await client(hub.url, "d1"), await client(hub.url, "d2")];
    await silent.request("consume", { queue: QUEUE });
    await publish(silent, "a");
    await take(silent, 1);
    await other.request("consume", { queue: QUEUE });
    await silent.request("cancel", { queue: QUEUE });
    expect(await take(other, 1)).toMatchObject([{ id: "a", redelivered: true }]);
    expect(await silent.next("revoked")).toMatchObject({ deliveries: [{ id: "a", attempt: 1 }] });
  });

  test("7. Bounded", async () => {
    const hub = await startHub({ store: newStore(), maxQueueMessages: 5 });
    const driver = await client(hub.url, "d1");
    await driver.request("consume", { queue: QUEUE, prefetch: 2 });
    for (const id of ["a", "b", "c", "d", "e"]) expect(await publish(driver, id)).toMatchObject({ ok: true });
    expect(await publish(driver, "f")).toMatchObject({ ok: false, error: { code: "QUEUE_FULL", retryable: true } });
    const out = await take(driver, 2);
    expect(hub.hub.counts().held).toBe(2);
    await ack(driver, out);
    expect(await publish(driver, "f")).toMatchObject({ ok: true });
    expect(ids(await take(driver, 2))).toEqual(["c", "d"]);
  });

  test("8. Own business only", async () => {
    const authSecret = "a secret of at least thirty-two bytes";
    const hub = await startHub({ store: newStore(), authSecret });
    const token = jwt.sign({ sub: "d1", publish: ["@*"], consume: ["driver"], join: ["north-*"] }, authSecret);
    const { client: driver } = await connectStock(hub.url, { auth: { token } });
    const refused = { ok: false, error: { code: "FORBIDDEN" } };
    expect(await publish(driver, "a")).toMatchObject(refused);
    expect(await driver.request("consume", { queue: "@acme" })).toMatchObject(refused);
    expect(await driver.request("consume", { queue: "payroll" })).toMatchObject(refused);
    expect(await driver.request("join", { room: "south-1" })).toMatchObject(refused);
    expect(await driver.request("join", { room: "north-1", client: "acme" })).toMatchObject(refused);
    expect(await driver.request("dead", { queue: QUEUE })).toMatchObject(refused);
    expect(await driver.request("consume", { queue: QUEUE })).toMatchObject({ ok: true });
    expect(await publish(driver, "a", { queue: undefined, client: "acme" })).toMatchObject({ ok: true });
  });
});
