import type { Deliver, Welcome } from "../../src/protocol/wire";
import { connectRefused, connectStock, StockClient } from "../support/stock-client";
import { sqliteFile, startHub, stopHubs } from "../support/start-hub";

afterEach(stopHubs);

const auth = { clientId: "d7" };

/** A consumer of `q` that holds one message and has not settled it. */
async function holdOne(url: string) {
  const { client, welcome } = await connectStock<Welcome>(url, { auth });
  await client.request("publish", { id: "m", queue: "q", event: "e" });
  await client.request("consume", { queue: "q" });
  return { client, session: welcome.session, delivered: await client.next<Deliver>("deliver") };
}

const ack = { queue: "q", deliveries: [{ id: "m", attempt: 1 }] };

it("gives a client that is back within the grace its deliveries again", async () => {
  const { url, hub } = await startHub();
  const { client, session } = await holdOne(url);
  client.cut();
  const { client: back, welcome } = await connectStock<Welcome>(url, { auth: { ...auth, session } });
  expect(welcome).toMatchObject({ resumed: true, session, clientId: "d7" });
  await back.request("consume", { queue: "q" });
  const again = await back.next<Deliver>("deliver");
  expect(again.messages).toMatchObject([{ id: "m", attempt: 1, redelivered: true }]);
  expect(await back.request("ack", ack)).toMatchObject({ results: [{ id: "m", status: "acked" }] });
  expect(hub.counts()).toEqual({ held: 0, connections: 1, sessions: 1 });
});

it("lets a client that is back settle what it holds without consuming again", async () => {
  const { url } = await startHub();
  const { client, session } = await holdOne(url);
  client.cut();
  const { client: back } = await connectStock(url, { auth: { ...auth, session } });
  expect(await back.request("ack", ack)).toMatchObject({ results: [{ id: "m", status: "acked" }] });
});

it("gives the deliveries of a client that stays away to another one", async () => {
  const { url } = await startHub({ graceMs: 50 });
  const { client, session } = await holdOne(url);
  const { client: other } = await connectStock(url, { auth: { clientId: "d8" } });
  await other.request("consume", { queue: "q" });
  client.cut();
  const given = await other.next<Deliver>("deliver");
  expect(given.messages).toMatchObject([{ id: "m", attempt: 2, redelivered: true }]);
  const { client: late, welcome } = await connectStock<Welcome>(url, { auth: { ...auth, session } });
  expect(welcome.resumed).toBe(false);
  expect(welcome.session).not.toBe(session);
  expect(await late.request("ack", ack)).toMatchObject({ results: [{ id: "m", error: { code: "LEASE_LOST" } }] });
});

it("lets a client with as many connections as it may have take over the session of one that still stands", async () => {
  const { url } = await startHub({ maxConnectionsPerClient: 1 });
  const { client, session } = await holdOne(url);
  const { client: back, welcome } = await connectStock<Welcome>(url, { auth: { ...auth, session } });
  expect(welcome).toMatchObject({ resumed: true, session });
  expect(await back.request("ack", ack)).toMatchObject({ results: [{ id: "m", status: "acked" }] });
  expect(await client.next("refused")).toMatchObject({ event: "connect", error: { code: "LEASE_LOST" } });
  const unknown = await connectRefused(url, { auth: { ...auth, session: "no such session" } });
  expect(unknown.data).toMatchObject({ code: "LIMIT_REACHED" });
  const elsewhere = await connectRefused(url, { auth: { ...auth, session }, namespace: "/caps" });
  expect(elsewhere.data).toMatchObject({ code: "LIMIT_REACHED" });
});

it.each([
  ["another client", { clientId: "d8" }, "/"],
  ["another namespace", auth, "/caps"],
])("does not give a session to %s", async (_who, claimed, namespace) => {
  const { url } = await startHub();
  const { client, session } = await holdOne(url);
  client.cut();
  const { welcome } = await connectStock<Welcome>(url, { namespace, auth: { ...claimed, session } });
  expect(welcome.resumed).toBe(false);
});

it("replaces a connection whose session another one resumes, for good", async () => {
  const { url, hub } = await startHub();
  const { client: former, session } = await holdOne(url);
  const ended = former.disconnected();
  const { client: next, welcome } = await connectStock<Welcome>(url, { auth: { ...auth, session } });
  expect(welcome.resumed).toBe(true);
  expect(await former.next("refused")).toMatchObject({ event: "connect", error: { code: "LEASE_LOST" } });
  // The one reason after which a stock client does not come back by itself.
  expect(await ended).toBe("io server disconnect");
  expect(next.received.map(({ event }) => event)).toEqual(["welcome"]);
  await next.request("consume", { queue: "q" });
  expect((await next.next<Deliver>("deliver")).messages).toMatchObject([{ id: "m", attempt: 1, redelivered: true }]);
  expect(hub.counts()).toEqual({ held: 1, connections: 1, sessions: 1 });
});

it("notices a connection that is dead without a word", async () => {
  const { url, hub } = await startHub({ pingMs: 100, graceMs: 0 });
  const { client } = await holdOne(url);
  const { client: other } = await connectStock(url, { auth: { clientId: "d8" } });
  await other.request("consume", { queue: "q" });
  client.freeze();
  expect((await other.next<Deliver>("deliver")).messages).toMatchObject([{ id: "m", attempt: 2 }]);
  expect(hub.counts()).toMatchObject({ held: 1, connections: 1 });
});

describe("a hub that goes down in order", () => {
  it("says so, takes what is settled, refuses what is new, and closes when all is settled", async () => {
    const { url, hub } = await startHub({ drainMs: 10_000 });
    const { client } = await holdOne(url);
    const { client: idle } = await connectStock(url);
    const closed = hub.close("maintenance");
    expect(await client.next("drain")).toEqual({ reason: "maintenance", reconnectAfterMs: 1000 });
    for (const [event, argument] of [
      ["publish", { queue: "q", event: "e" }],
      ["consume", { queue: "other" }],
      ["join", { room: "north" }],
      ["redrive", { queue: "q" }],
    ] as const) {
      expect(await idle.request(event, argument)).toMatchObject({ error: { code: "DRAINING", retryable: true } });
    }
    expect(await idle.request("purge", { queue: "q" })).toMatchObject({ ok: true, purged: 0 });
    // Who has something in hand may have to publish before it can ack.
    expect(await client.request("publish", { queue: "q", event: "e" })).toMatchObject({ ok: true });
    const late = new StockClient(url, { reconnection: false });
    const refused = new Promise<{ data?: unknown }>((resolve) => late.socket.once("connect_error", resolve));
    expect((await refused).data).toMatchObject({ code: "DRAINING" });
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: "unavailable", reason: expect.any(String) });
    const ended = client.disconnected();
    expect(await client.request("ack", ack)).toMatchObject({ results: [{ status: "acked" }] });
    await closed;
    expect(await ended).toBe("transport close");
  });

  it("waits no longer than it was told", async () => {
    const { url, hub } = await startHub({ drainMs: 200 });
    await holdOne(url);
    const before = Date.now();
    await hub.close();
    expect(Date.now() - before).toBeLessThan(2_000);
    expect(hub.counts()).toEqual({ held: 0, connections: 0, sessions: 0 });
  });

  it("does not wait for a connection that does not read", async () => {
    const { url, hub } = await startHub();
    const { client } = await connectStock(url);
    client.freeze();
    const before = Date.now();
    await hub.close();
    expect(Date.now() - before).toBeLessThan(4_000);
  });

  it("is found again by stock clients that were connected, with what they had not settled", async () => {
    const running = await startHub({ store: sqliteFile() });
    const { client } = await holdOne(running.url);
    await running.restart();
    expect(await client.next("welcome", 10_000)).toMatchObject({ resumed: false });
    await client.request("consume", { queue: "q" });
    const { messages } = await client.next<Deliver>("deliver");
    expect(messages).toMatchObject([{ id: "m", redelivered: true }]);
    expect(messages[0]?.attempt).toBeGreaterThan(1);
  });
});
