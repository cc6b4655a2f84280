import { startHub as startHubOn } from "../../src/hub";
import type { Deliver } from "../../src/protocol/wire";
import { asVariable, readSettings } from "../../src/read-config";
import { KIB } from "../../src/setting";
import { connectStock, StockClient } from "../support/stock-client";
import { stopHubs } from "../support/start-hub";
import { waitUntil } from "../support/wait-until";
import { startWithClient } from "./hub-with-client";

afterEach(stopHubs);

describe("limits on what one connection costs", () => {
  it("refuses requests past those that may wait for their answer", async () => {
    const { client } = await startWithClient({ maxInFlight: 5 });
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => client.request<{ ok: boolean }>("publish", { queue: "q", event: "e" })),
    );
    const refused = replies.filter(({ ok }) => !ok);
    expect(refused.length).toBeGreaterThan(0);
    for (const reply of refused) expect(reply).toMatchObject({ error: { code: "RATE_LIMITED", retryable: true } });
    expect(await client.request("publish", { queue: "q", event: "e" })).toMatchObject({ ok: true });
  });

  it("cuts a connection off that asks for more than it reads", async () => {
    const { hub, url, client } = await startWithClient({ maxPayloadBytes: 600 * KIB, maxBufferedBytes: 2_500 * KIB });
    const { client: stuck } = await connectStock(url, { reconnection: false });
    const payload = "x".repeat(512 * KIB);
    for (let count = 0; count < 4; count++) {
      await client.request("publish", { id: `m${count}`, queue: "q", event: "e", payload });
    }
    await client.request("consume", { queue: "q" });
    for (let count = 0; count < 4; count++) {
      const deliveries = [{ id: `m${count}`, attempt: 1 }];
      await client.request("nack", { queue: "q", deliveries, dead: true });
    }
    stuck.freeze();
    for (let count = 0; count < 20; count++) stuck.socket.emit("dead", { queue: "q" }, () => undefined);
    await waitUntil(() => hub.counts().connections === 1);
    expect(await client.request("cancel")).toMatchObject({ ok: true });
  });

  it("gives a client that reads all that it may have, however much more that is than a connection holds", async () => {
    const { url, client } = await startWithClient({ maxPayloadBytes: 600 * KIB, maxBufferedBytes: 2_500 * KIB });
    const { client: consumer } = await connectStock(url, { reconnection: false });
    const payload = "x".repeat(512 * KIB);
    const queues = Array.from({ length: 20 }, (_, index) => `q${index}`);
    const messages = ["a", "b"].map((id) => ({ id, event: "e", payload }));
    for (const queue of queues) {
      for (const message of messages) await client.request("publish", { ...message, queue });
    }
    await Promise.all(queues.map((queue) => consumer.request("consume", { queue })));
    const got = new Map<string, string[]>();
    for (let count = 0; count < 2 * queues.length;) {
      const { queue, messages: delivered } = await consumer.next<Deliver>("deliver");
      got.set(queue, (got.get(queue) ?? []).concat(delivered.map(({ id }) => id)));
      count += delivered.length;
    }
    expect(got).toEqual(new Map(queues.map((queue) => [queue, ["a", "b"]])));
    expect(consumer.socket.connected).toBe(true);
  });

  it("sends nothing of a queue after the answer to its cancel: what had no room yet goes back, and no failure is counted", async () => {
    const { hub, url, client } = await startWithClient({
      maxPayloadBytes: 600 * KIB,
      maxBufferedBytes: 2_500 * KIB,
      prefetchBytes: 64 * 1024 * KIB,
      graceMs: 60_000,
      maxAttempts: 1,
    });
    const { client: consumer } = await connectStock(url, { reconnection: false });
    const payload = "x".repeat(512 * KIB);
    const ids = Array.from({ length: 40 }, (_, index) => `m${index}`);
    for (const id of ids) await client.request("publish", { id, queue: "q", event: "e", payload });
    consumer.freeze();
    consumer.socket.emit("consume", { queue: "q" });
    await waitUntil(() => hub.counts().held === ids.length);
    const cancelled = consumer.request("cancel", { queue: "q" });
    // What fits on its connection is on its way.
    await waitUntil(() => hub.counts().held < ids.length);
    const sent = hub.counts().held;
    expect(sent).toBeGreaterThan(0);
    consumer.thaw();
    expect(await cancelled).toEqual({ ok: true, queue: "q" });
    expect(consumer.received.filter(({ event }) => event === "deliver")).toHaveLength(sent);
    const rest = ids.length - sent;
    const { client: next } = await connectStock(url);
    await next.request("consume", { queue: "q" });
    const got: Deliver["messages"] = [];
    while (got.length < rest) got.push(...(await next.next<Deliver>("deliver")).messages);
    expect(got.map(({ id }) => id)).toEqual(ids.slice(sent));
    expect(consumer.received.filter(({ event }) => event === "deliver")).toHaveLength(sent);
  });

  it("keeps nothing of a connection that ends while deliveries wait for room, though others share its line", async () => {
    const { hub, url, client } = await startWithClient({
      namespaces: ["/", "/b"],
      maxPayloadBytes: 600 * KIB,
      maxBufferedBytes: 2_500 * KIB,
      prefetchBytes: 64 * 1024 * KIB,
      graceMs: 0,
    });
    const payload = "x".repeat(512 * KIB);
    const { client: publisher } = await connectStock(url, { namespace: "/b" });
    for (let count = 0; count < 40; count++) {
      await publisher.request("publish", { queue: "q", event: "e", payload });
    }
    const consumer = client.socket.io.socket("/b");
    await new Promise((resolve) => consumer.once("welcome", resolve));
    client.freeze();
    consumer.emit("consume", { queue: "q" });
    await waitUntil(() => hub.counts().held === 40);
    consumer.disconnect();
    await waitUntil(() => hub.counts().connections === 2);
    client.thaw();
    for (let count = 0; count < 3; count++) await client.request("cancel");
    const { transport } = hub as unknown as { transport: { lines: Map<unknown, { awaiting: readonly unknown[] }> } };
    expect([...transport.lines.values()].map(({ awaiting }) => awaiting.length)).toEqual([0, 0]);
  });

  it("gives a client that reads the messages of one queue, however many bytes it may have out", async () => {
    const { url, client } = await startWithClient({
      maxPayloadBytes: 600 * KIB,
      maxBufferedBytes: 2_500 * KIB,
      prefetchBytes: 64 * 1024 * KIB,
    });
    const { client: consumer } = await connectStock(url, { reconnection: false });
    const payload = "x".repeat(512 * KIB);
    for (let count = 0; count < 20; count++) await client.request("publish", { queue: "q", event: "e", payload });
    await consumer.request("consume", { queue: "q" });
    for (let count = 0; count < 20;) count += (await consumer.next<Deliver>("deliver")).messages.length;
    expect(consumer.socket.connected).toBe(true);
  });

  it("cuts one off in the midst of letting it in, and goes on", async () => {
    // Shorter than the answer to a connect. Within the bounds of the setting it takes a client that has left almost as
    // much unread, and then joins another namespace.
    const hub = await startHubOn(
      { ...readSettings({ store: "memory:", port: 0 }), maxBufferedBytes: 20 },
      {},
      asVariable,
    );
    try {
      const client = new StockClient(hub.url, { reconnection: false });
      await new Promise((resolve) => client.socket.io.once("close", resolve));
      await waitUntil(() => hub.counts().connections === 0);
      expect(hub.counts()).toEqual({ connections: 0, sessions: 0, held: 0 });
      await hub.health();
    } finally {
      await hub.close();
    }
  });

  it("ends a connection whose packet is too large, and nobody else's", async () => {
    const { url, client } = await startWithClient({ maxPacketBytes: 2 * 1024 * 1024 });
    const { client: other } = await connectStock(url, { reconnection: false });
    const gone = other.disconnected();
    other.socket.emit("publish", { queue: "q", event: "e", payload: "x".repeat(3 * 1024 * 1024) });
    await gone;
    expect(await client.request("cancel")).toMatchObject({ ok: true });
  });
});
