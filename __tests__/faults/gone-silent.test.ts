import { fork, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { Duplex } from "node:stream";
import { connect, type HubClient } from "../../clients/hub-client";
import type { AckReply, Deliver, PublishReply } from "../../src/protocol/wire";
import { compileProgram, removeCompiled } from "../support/compiled";
import { sqliteFile, startHub, stopHubs } from "../support/start-hub";
import { connectStock } from "../support/stock-client";
import { SilentProxy } from "./silent-proxy";

const QUEUE = "driver";
const LEASE_MS = 400;
const PING_MS = 150;
const GRACE_MS = 100;

const proxies: SilentProxy[] = [];
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  await stopHubs();
});
afterAll(removeCompiled);

async function proxyTo(url: string): Promise<SilentProxy> {
  const proxy = await SilentProxy.to(url);
  proxies.push(proxy);
  return proxy;
}

/** A consumer in a process of its own, which tells what it gets. */
class ConsumerProcess {
  private readonly told: { event: string; content: unknown }[] = [];
  private wake = (): void => {};

  constructor(
    readonly child: ChildProcess,
    private at = 0,
  ) {
    children.push(child);
    child.on("message", (message) => {
      this.told.push(message as { event: string; content: unknown });
      this.wake();
    });
  }

  /** The next that it tells of this event. */
  async next<Content>(event: string): Promise<Content> {
    for (;;) {
      const found = this.told.slice(this.at).find((each) => each.event === event);
      if (found !== undefined) {
        this.at = this.told.indexOf(found) + 1;
        return found.content as Content;
      }
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}

test("a consumer that is stopped for longer than its lease has lost it: another one has the message, and the late ack is refused", async () => {
  const hub = await startHub({ store: sqliteFile(), leaseMs: LEASE_MS, pingMs: 60_000 });
  const { client: shop } = await connectStock(hub.url, { auth: { clientId: "shop" } });
  const program = path.join(compileProgram(), "__tests__", "faults", "processes", "stopped-consumer.js");
  const stopped = new ConsumerProcess(fork(program, [hub.url, QUEUE]));
  await stopped.next("consuming");
  await shop.request<PublishReply>("publish", { id: "parcel", queue: QUEUE, event: "pickup", payload: "to Lund" });
  const first = await stopped.next<{ id: string; attempt: number }>("delivered");
  expect(first).toEqual({ id: "parcel", attempt: 1, payload: "to Lund" });

  stopped.child.kill("SIGSTOP");
  const { client: other } = await connectStock(hub.url, { auth: { clientId: "d2" } });
  await other.request("consume", { queue: QUEUE });
  const { messages } = await other.next<Deliver>("deliver");
  expect(messages).toMatchObject([{ id: "parcel", redelivered: true, payload: "to Lund" }]);
  const deliveries = messages.map(({ id, attempt }) => ({ id, attempt }));
  expect(deliveries).not.toContainEqual({ id: "parcel", attempt: 1 });
  expect(await other.request<AckReply>("ack", { queue: QUEUE, deliveries })).toMatchObject({
    results: [{ id: "parcel", status: "acked" }],
  });

  // It wakes in the middle of its work, and finishes it.
  stopped.child.send("ack");
  stopped.child.kill("SIGCONT");
  expect(await stopped.next<AckReply>("answered")).toMatchObject({
    ok: true,
    results: [{ id: "parcel", error: { code: "LEASE_LOST" } }],
  });
  expect(hub.hub.counts().held).toBe(0);
}, 60_000);

test("a consumer that the network cut off without a word is noticed, and what it had goes to another", async () => {
  const hub = await startHub({ store: sqliteFile(), pingMs: PING_MS, graceMs: GRACE_MS, leaseMs: 600_000 });
  const proxy = await proxyTo(hub.url);
  const { client: silent } = await connectStock(proxy.url, { auth: { clientId: "d1" }, reconnection: false });
  await silent.request("consume", { queue: QUEUE });
  const { client: shop } = await connectStock(hub.url, { auth: { clientId: "shop" } });
  await shop.request("publish", { id: "parcel", queue: QUEUE, event: "pickup" });
  expect(await silent.next<Deliver>("deliver")).toMatchObject({ messages: [{ id: "parcel", attempt: 1 }] });

  proxy.silence();
  const { client: other } = await connectStock(hub.url, { auth: { clientId: "d2" } });
  await other.request("consume", { queue: QUEUE });
  expect(await other.next<Deliver>("deliver")).toMatchObject({
    messages: [{ id: "parcel", attempt: 2, redelivered: true }],
  });
  const acked = await other.request("ack", { queue: QUEUE, deliveries: [{ id: "parcel", attempt: 2 }] });
  expect(acked).toMatchObject({ results: [{ status: "acked" }] });
});

test.each(["both", "to the client", "to the hub"] as const)(
  "a publisher that the network cut off (%s) sends again by itself, and everything is stored once",
  async (direction) => {
    const hub = await startHub({ store: sqliteFile(), pingMs: PING_MS });
    const proxy = await proxyTo(hub.url);
    const publisher = connect(proxy.url, { clientId: "shop", reconnectDelayMs: 20, reconnectDelayMaxMs: 50 });
    const publish = (client: HubClient, id: string) => client.publish({ id, queue: QUEUE, event: "pickup" });
    await publish(publisher, "before");

    const ids = Array.from({ length: 30 }, (_, number) => `order-${number}`);
    // Some on their way, some not yet sent, when nothing passes any more.
    const confirmed = ids.map((id) => publish(publisher, id));
    await confirmed[0];
    const later = ["last-1", "last-2"].map((id) => publish(publisher, id));
    proxy.silence(direction);
    const results = await Promise.all([...confirmed, ...later]);
    expect(new Set(results.map(({ seq }) => seq)).size).toBe(results.length);
    await publisher.close();

    const heard: string[] = [];
    const consumer = connect(hub.url, { clientId: "d1" });
    await new Promise<void>((resolve) => {
      void consumer.consume(QUEUE, (message) => {
        heard.push(message.id);
        if (message.id === "end") resolve();
      });
      void publish(consumer, "end");
    });
    await consumer.close();
    expect(heard.sort()).toEqual(["before", ...ids, "last-1", "last-2", "end"].sort());
  },
  30_000,
);

test.each(["closes", "asks in vain", "hears nothing any more"])(
  "a client that %s leaves a hub that has gone silent, and does not wait for its goodbye",
  async (how) => {
    const hub = await startHub({ pingMs: how === "hears nothing any more" ? PING_MS : 60_000 });
    const proxy = await proxyTo(hub.url);
    const client = connect(proxy.url, { clientId: "shop", requestTimeoutMs: 300 });
    await client.ready();
    proxy.silence();
    const left = proxy.left();
    if (how === "closes") await client.close({ timeoutMs: 1 });
    const asked = how === "asks in vain" ? client.join("north") : undefined;
    await left;
    await asked;
    await client.close();
  },
);

/** What ends the key of a WebSocket's request, before it is hashed: RFC 6455, section 1.3. */
const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Engine.IO opens a connection, and Socket.IO refuses it for now. */
const OPEN = '0{"sid":"a","upgrades":[],"pingInterval":60000,"pingTimeout":60000,"maxPayload":1000000}';
const REFUSAL = '44{"message":"no","data":{"code":"DRAINING","message":"no","retryable":true}}';

/** As a WebSocket carries it to a client. */
function frame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]);
}

test.each([
  ["has said nothing but that it takes the WebSocket", []],
  ["has refused it, and then says nothing", [OPEN, REFUSAL]],
])(
  "a client leaves a hub that %s",
  async (_what, said) => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    let socket: Duplex | undefined;
    const left = new Promise<void>((resolve) => {
      server.once("upgrade", (request: IncomingMessage, taken: Duplex) => {
        socket = taken;
        const key = createHash("sha1")
          .update(`${request.headers["sec-websocket-key"]}${WEBSOCKET_GUID}`)
          .digest("base64");
        const head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
        taken.write(`${[...head, `Sec-WebSocket-Accept: ${key}`].join("\r\n")}\r\n\r\n`);
        for (const text of said) taken.write(frame(text));
        taken
          .on("error", () => undefined)
          .once("end", resolve)
          .once("close", resolve)
          .resume();
      });
    });
    const { port } = server.address() as AddressInfo;
    const client = connect(`http://127.0.0.1:${port}`, {
      requestTimeoutMs: 300,
      reconnectDelayMs: 60_000,
      reconnectDelayMaxMs: 60_000,
    });
    await left;
    await client.close();
    socket?.destroy();
    server.close();
  },
  10_000,
);
