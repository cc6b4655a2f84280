import type { Deliver, PublishReply } from "../../src/protocol/wire";
import { connectStock } from "../support/stock-client";
import { stopHubs } from "../support/start-hub";
import { startWithClient } from "./hub-with-client";

afterEach(stopHubs);

const refOf = ({ messages }: Deliver) => messages.map(({ id, attempt }) => ({ id, attempt }));

it("publish, consume, deliver, ack: a round trip", async () => {
  const { hub, url, client } = await startWithClient();
  const published = await client.request("publish", {
    id: "m-1",
    queue: "driver",
    event: "pickup",
    payload: { orderId: "o-1", note: 'ü "quoted" \\ 🚚' },
    priority: "9",
    headers: { trace: "t-1" },
    group: "g",
  });
  expect(published).toEqual({ ok: true, results: [{ id: "m-1", seq: 1, status: "stored" }], durability: "memory" });

  const { client: driver } = await connectStock(url, { auth: { clientId: "d7" } });
  expect(await driver.request("consume", { queue: "driver" })).toEqual({ ok: true, queue: "driver", ready: 1 });
  const delivered = await driver.next<Deliver>("deliver");
  expect(delivered).toEqual({
    queue: "driver",
    messages: [
      {
        id: "m-1",
        seq: 1,
        event: "pickup",
        payload: { orderId: "o-1", note: 'ü "quoted" \\ 🚚' },
        attempt: 1,
        publishedAt: expect.stringMatching(/^\d{4}-.*Z$/),
        publisher: "acme",
        leaseMs: expect.any(Number),
        priority: 9,
        group: "g",
        headers: { trace: "t-1" },
      },
    ],
  });
  const ack = { queue: "driver", deliveries: refOf(delivered) };
  expect(await driver.request("ack", ack)).toEqual({ ok: true, results: [{ id: "m-1", status: "acked" }] });
  expect(await driver.request("ack", ack)).toEqual({ ok: true, results: [{ id: "m-1", status: "already" }] });
  expect(hub.counts().held).toBe(0);
});

it("delivers without a callback, which client libraries answer by themselves", async () => {
  const { hub, client } = await startWithClient();
  const callbacks: unknown[] = [];
  client.socket.on("deliver", (_deliver, ...others: unknown[]) => callbacks.push(...others));
  await client.request("publish", { id: "m", queue: "q", event: "e" });
  await client.request("consume", { queue: "q" });
  await client.next("deliver");
  expect(callbacks).toEqual([]);
  await client.request("cancel", { queue: "q" });
  expect(hub.counts().held).toBe(1);
});

it("answers a batch message by message", async () => {
  const { client } = await startWithClient();
  const reply = await client.request<PublishReply>("publish", {
    messages: [
      { id: "a", queue: "q", event: "e", payload: 1 },
      { id: "b", queue: "q" },
      "nonsense",
      { id: "a", queue: "q", event: "e", payload: 1 },
      { id: "c", queue: "q", event: "e", payload: "x".repeat(1_048_576) },
      { id: "d", queue: "q", event: "e" },
    ],
  });
  expect(reply).toMatchObject({
    ok: true,
    results: [
      { id: "a", seq: 1, status: "stored" },
      { id: "b", error: { code: "INVALID" } },
      { error: { code: "INVALID" } },
      { id: "a", seq: 1, status: "duplicate" },
      { id: "c", error: { code: "TOO_LARGE" } },
      { id: "d", status: "stored" },
    ],
  });
});

it("answers a batch of nothing but bad messages", async () => {
  const { client } = await startWithClient();
  const reply = await client.request("publish", { messages: [{}, 7] });
  expect(reply).toMatchObject({ ok: true, results: [{ error: {} }, { error: {} }], durability: "memory" });
});

it("tells of bad messages, and not of the rate, where a list has no others", async () => {
  const { client } = await startWithClient({ maxPublishPerSecond: 1 });
  const two = [1, 2].map((no) => ({ id: `m-${no}`, queue: "q", event: "e" }));
  expect(await client.request("publish", { messages: two })).toMatchObject({ ok: true });
  const reply = await client.request("publish", { messages: [{}] });
  expect(reply).toMatchObject({ ok: true, results: [{ error: { code: "INVALID" } }] });
  expect(await client.request("publish", two[0])).toMatchObject({ ok: false, error: { code: "RATE_LIMITED" } });
});

it("goes on where a log fails as a request is refused", async () => {
  const errors: string[] = [];
  const log = {
    debug: (_fields: object, text: string) => {
      if (text === "refused") throw new Error("no space for the log");
    },
    info: () => {},
    warn: () => {},
    error: (_fields: object, text: string) => void errors.push(text),
  };
  const { client } = await startWithClient({ log });
  client.socket.emit("publish", { queue: "q" });
  client.socket.emit("cancel", { queue: 7 });
  expect(await client.request("publish", { queue: "q", event: "e" })).toMatchObject({ ok: true });
  expect(errors).toEqual(["no answer", "no answer"]);
});

it("refuses a message that comes alone as a whole: ok always means stored", async () => {
  const { client } = await startWithClient();
  const tooLarge = { queue: "q", event: "e", payload: "x".repeat(1_048_576) };
  expect(await client.request("publish", tooLarge)).toMatchObject({ ok: false, error: { code: "TOO_LARGE" } });
  expect(await client.request("publish", { queue: "q" })).toMatchObject({ ok: false, error: { code: "INVALID" } });
});

describe("what is not understood", () => {
  it.each(["nothing", "", "welcome", "constructor", "__proto__", "error", "toString"])(
    'answers the unknown event "%s", with a callback and without',
    async (event) => {
      const { client } = await startWithClient();
      const error = { code: "UNKNOWN_EVENT", message: expect.any(String), retryable: false };
      expect(await client.request(event, { a: 1 })).toEqual({ ok: false, error });
      expect(await client.request(event)).toEqual({ ok: false, error });
      client.socket.emit(event, { a: 1 });
      expect(await client.next("refused")).toEqual({ event, error });
    },
  );

  it("answers an event whose name is a number", async () => {
    const { client } = await startWithClient();
    client.socket.io.engine.write("2[42,{}]");
    expect(await client.next("refused")).toMatchObject({ event: "42", error: { code: "UNKNOWN_EVENT" } });
  });

  it("tells a client that asked without a callback what it was refused", async () => {
    const { client } = await startWithClient();
    client.socket.emit("publish", { queue: "q" });
    expect(await client.next("refused")).toMatchObject({ event: "publish", error: { code: "INVALID" } });
    client.socket.emit("consume", { queue: "@other" });
    expect(await client.next("refused")).toMatchObject({ event: "consume", error: { code: "FORBIDDEN" } });
  });

  it("refuses binary attachments, wherever they are", async () => {
    const { client } = await startWithClient();
    const reply = await client.request("publish", { queue: "q", event: "e", payload: { list: [Buffer.from("ab")] } });
    expect(reply).toMatchObject({ ok: false, error: { code: "INVALID", message: expect.stringContaining("Binary") } });
    expect(await client.request("publish", { queue: "q", event: "e", payload: { list: ["ab"] } })).toMatchObject({
      ok: true,
    });
  });

  it("ends only the connection that breaks Socket.IO's own rules", async () => {
    const { url, client: other } = await startWithClient();
    for (const packet of ["2[", "9", "2{}", '2["disconnect"]', "5999-[]", "0{}"]) {
      const { client } = await connectStock(url, { reconnection: false });
      const gone = client.disconnected();
      client.socket.io.engine.write(packet);
      await gone;
    }
    expect(await other.request("cancel")).toMatchObject({ ok: true });
  });
});

describe("requests about queues", () => {
  it("means the own inbox where no queue is named", async () => {
    const { url, client } = await startWithClient();
    const { client: other } = await connectStock(url);
    await client.request("consume");
    await other.request("publish", { client: "acme", event: "hello" });
    const delivered = await client.next<Deliver>("deliver");
    expect(delivered.queue).toBe("@acme");
    const refs = { deliveries: refOf(delivered) };
    expect(await client.request("extend", { ...refs, leaseMs: 60_000 })).toEqual({
      ok: true,
      results: [{ id: refs.deliveries[0]?.id, status: "extended", deadline: expect.stringMatching(/Z$/) }],
    });
    expect(await client.request("ack", refs)).toMatchObject({ results: [{ status: "acked" }] });
    expect(await client.request("cancel")).toEqual({ ok: true, queue: "@acme" });
  });

  it("gives a nacked message again, and says that it was given before", async () => {
    const { client } = await startWithClient();
    await client.request("publish", { id: "m", queue: "q", event: "e" });
    await client.request("consume", { queue: "q" });
    const first = await client.next<Deliver>("deliver");
    expect(first.messages[0]).not.toHaveProperty("redelivered");
    const nack = { queue: "q", deliveries: refOf(first), delayMs: 0, reason: "not now" };
    expect(await client.request("nack", nack)).toEqual({ ok: true, results: [{ id: "m", status: "nacked" }] });
    const second = await client.next<Deliver>("deliver");
    expect(second.messages[0]).toMatchObject({ id: "m", attempt: 2, redelivered: true });
    expect(await client.request("nack", nack)).toMatchObject({ results: [{ id: "m", error: { code: "LEASE_LOST" } }] });
    const dead = { queue: "q", deliveries: refOf(second), dead: true };
    expect(await client.request("nack", dead)).toMatchObject({ results: [{ id: "m", status: "dead" }] });
  });

  it("takes back what was not settled in time, and says so", async () => {
    const { client } = await startWithClient({ leaseMs: 150, backoffMs: 0 });
    await client.request("publish", { id: "m", queue: "q", event: "e" });
    await client.request("consume", { queue: "q" });
    const first = await client.next<Deliver>("deliver");
    expect(await client.next("revoked")).toEqual({ queue: "q", deliveries: refOf(first), reason: "the lease ran out" });
    const second = await client.next<Deliver>("deliver");
    expect(second.messages[0]).toMatchObject({ id: "m", attempt: 2, redelivered: true });
  });

  it("has no more out than the prefetch", async () => {
    const { hub, client } = await startWithClient({ prefetch: 3 });
    await client.request("publish", { messages: Array(10).fill({ queue: "q", event: "e" }) });
    await client.request("consume", { queue: "q" });
    const delivered = await client.next<Deliver>("deliver");
    expect(delivered.messages).toHaveLength(3);
    await client.request("ack", { queue: "q", deliveries: refOf(delivered) });
    expect((await client.next<Deliver>("deliver")).messages).toHaveLength(3);
    await client.request("consume", { queue: "q", prefetch: 5 });
    expect((await client.next<Deliver>("deliver")).messages).toHaveLength(2);
    expect(hub.counts().held).toBe(5);
  });

  it("limits the queues that one connection consumes", async () => {
    const { client } = await startWithClient({ maxConsumers: 2 });
    for (const queue of ["a", "b", "a"]) expect(await client.request("consume", { queue })).toMatchObject({ ok: true });
    expect(await client.request("consume", { queue: "c" })).toMatchObject({ error: { code: "LIMIT_REACHED" } });
    await client.request("cancel", { queue: "a" });
    expect(await client.request("consume", { queue: "c" })).toMatchObject({ ok: true });
  });
});

it("joins rooms, with their history", async () => {
  const { url, client } = await startWithClient();
  const { client: guest } = await connectStock(url, { auth: { clientId: "guest" } });
  expect(await client.request("join", { room: "north" })).toEqual({ ok: true, room: "north", members: 1 });
  await client.request("publish", { room: "north", event: "news", payload: 1 });
  expect(await guest.request("join", { room: "north", since: "all" })).toEqual({
    ok: true,
    room: "north",
    members: 2,
    replayed: 1,
  });
  for (const member of [client, guest]) {
    await member.request("consume");
    const { messages } = await member.next<Deliver>("deliver");
    expect(messages).toMatchObject([{ event: "news", payload: 1, room: "north", publisher: "acme" }]);
  }
  expect(await client.request("leave", { room: "north", client: "guest" })).toEqual({
    ok: true,
    room: "north",
    members: 1,
  });
});
