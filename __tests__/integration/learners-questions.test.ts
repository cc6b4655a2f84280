/** The questions that people who learn Socket.IO ask, answered by Waybill. The README has a paragraph for each. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { runToken } from "../../bin/token";
import { connect, Nack, type HubClient, type HubClientOptions, type ReceivedMessage } from "../../clients/hub-client";
import { createHub } from "../../src/hub";
import { HubProcess, stopHubProcesses, temporaryFolder } from "../support/hub-process";
import { keptPort } from "../support/kept-port";
import { sqliteFile, startHub, stopHubs } from "../support/start-hub";

const clients: HubClient[] = [];

function client(url: string, clientId: string, options: HubClientOptions = {}): HubClient {
  const made = connect(url, { clientId, reconnectDelayMs: 20, reconnectDelayMaxMs: 50, ...options });
  clients.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map((each) => each.close({ timeoutMs: 500 })));
  await Promise.all([stopHubs(), stopHubProcesses()]);
});

/** What a client heard, and a wait for the next thing it hears. */
class Ear {
  readonly heard: ReceivedMessage[] = [];
  private wake = (): void => {};

  readonly listen = (message: ReceivedMessage): void => {
    this.heard.push(message);
    this.wake();
  };

  get events(): string[] {
    return this.heard.map((message) => message.event);
  }

  async has(count: number): Promise<void> {
    while (this.heard.length < count) await new Promise<void>((resolve) => (this.wake = resolve));
  }
}

test("What happens to an event that a client misses? It waits for the client, also while the hub itself is down", async () => {
  const hub = await startHub({ store: sqliteFile() });
  const shop = client(hub.url, "acme");
  await shop.publish({ client: "d7", event: "while-away", payload: 1 });
  await hub.restart();
  const down = shop.publish({ client: "d7", event: "published-again-by-itself", payload: 2 });

  const ear = new Ear();
  await client(hub.url, "d7").consume(undefined, ear.listen);
  await down;
  await ear.has(2);
  expect(ear.events).toEqual(["while-away", "published-again-by-itself"]);
});

test("How do several vendors each hear only their own? Each has an inbox that nobody else can consume", async () => {
  const hub = await startHub();
  const [acme, widgets] = [new Ear(), new Ear()];
  const acmeClient = client(hub.url, "acme");
  await acmeClient.consume(undefined, acme.listen);
  await client(hub.url, "widgets").consume(undefined, widgets.listen);
  const driver = client(hub.url, "d1");
  await driver.publish({ client: "acme", event: "delivered", payload: "a" });
  await driver.publish({ client: "widgets", event: "delivered", payload: "w" });
  await Promise.all([acme.has(1), widgets.has(1)]);
  expect(acme.heard.map((message) => message.payload)).toEqual(["a"]);
  expect(widgets.heard.map((message) => message.payload)).toEqual(["w"]);
  await expect(driver.consume("@acme", acme.listen)).rejects.toMatchObject({ code: "FORBIDDEN" });
});

test("How does an event get from one namespace or room to another? By a route, optionally for some events only", async () => {
  const hub = await startHub({
    namespaces: ["/orders", "/shipping"],
    routes: ["/orders:new -> /shipping:pack [order-paid]", "/shipping:pack -> /shipping:room:floor"],
  });
  const [packed, floor] = [new Ear(), new Ear()];
  await client(hub.url, "packer", { namespace: "/shipping" }).consume("pack", packed.listen);
  const screen = client(hub.url, "screen", { namespace: "/shipping" });
  await screen.join("floor");
  await screen.consume(undefined, floor.listen);
  const shop = client(hub.url, "acme", { namespace: "/orders" });
  await shop.publish({ queue: "new", event: "order-placed" });
  await shop.publish({ queue: "new", event: "order-paid" });
  await Promise.all([packed.has(1), floor.has(1)]);
  expect(packed.events).toEqual(["order-paid"]);
  expect(floor.heard).toMatchObject([{ event: "order-paid", room: "floor", publisher: "acme" }]);
});

test("Routes that form a loop are refused at start, by name", async () => {
  const routes = ["/:a -> /:b", "/:b -> /:room:c", "/:room:* -> /:a"];
  await expect(startHub({ routes })).rejects.toThrow(/loop/);
  await expect(startHub({ routes: ["/:a -> /:b [x]", "/:b -> /:a [y]"] })).resolves.toBeDefined();
});

test("How does someone else join a room? By itself, or put there by a client that may", async () => {
  const hub = await startHub();
  const [ada, bob] = [new Ear(), new Ear()];
  const adaClient = client(hub.url, "ada");
  const bobClient = client(hub.url, "bob");
  await adaClient.consume(undefined, ada.listen);
  await bobClient.consume(undefined, bob.listen);
  expect(await adaClient.join("north")).toMatchObject({ members: 1 });
  expect(await adaClient.join("north", { client: "bob" })).toMatchObject({ members: 2 });
  await client(hub.url, "dispatch").publish({ room: "north", event: "road-closed", payload: "A1" });
  await Promise.all([ada.has(1), bob.has(1)]);
  expect(bob.heard).toMatchObject([{ event: "road-closed", room: "north", payload: "A1" }]);
  expect(await bobClient.leave("north")).toMatchObject({ members: 1 });
});

test("How do I give a job to exactly one of many drivers? Publish it to a queue that they share", async () => {
  const hub = await startHub();
  const taken: string[] = [];
  const all = new Ear();
  for (const id of ["d1", "d2", "d3"]) {
    await client(hub.url, id).consume(
      "driver",
      (message) => {
        taken.push(id);
        all.listen(message);
      },
      { prefetch: 2 },
    );
  }
  const shop = client(hub.url, "acme");
  await Promise.all(
    Array.from({ length: 30 }, (_, number) => shop.publish({ queue: "driver", event: "pickup", payload: number })),
  );
  await all.has(30);
  expect(new Set(all.heard.map((message) => message.payload)).size).toBe(30);
  expect(new Set(taken)).toEqual(new Set(["d1", "d2", "d3"]));
});

test("Or to that driver? Publish it to the client; nobody else can take it", async () => {
  const hub = await startHub();
  const [d1, d7] = [new Ear(), new Ear()];
  const other = client(hub.url, "d1");
  await other.consume("driver", d1.listen);
  await other.consume(undefined, d1.listen);
  await client(hub.url, "acme").publish({ client: "d7", event: "pickup", payload: "fragile" });
  await client(hub.url, "d7").consume(undefined, d7.listen);
  await d7.has(1);
  expect(d1.heard).toEqual([]);
});

test("Can I add work without disconnecting? One connection publishes and consumes as often as it likes", async () => {
  const hub = await startHub();
  const shop = client(hub.url, "acme");
  const welcomes: unknown[] = [];
  shop.on("connected", (welcome) => welcomes.push(welcome));
  const ear = new Ear();
  await shop.consume("echo", ear.listen);
  for (let number = 1; number <= 5; number++) {
    await shop.publish({ queue: "echo", event: "pickup", payload: number });
    await ear.has(number);
  }
  await shop.consume("another", ear.listen);
  await shop.publish({ queue: "another", event: "more" });
  await ear.has(6);
  expect(welcomes).toHaveLength(1);
});

test("What becomes of an event that nobody can handle? It is kept as a dead letter, with the reason, until it is put back", async () => {
  const hub = await startHub({ maxAttempts: 2, backoffMs: 0 });
  const dispatch = client(hub.url, "dispatch");
  const [tried, handled] = [new Ear(), new Ear()];
  const clumsy = await dispatch.consume("driver", (message) => {
    tried.listen(message);
    if (message.event === "no-such-street") throw new Nack({ dead: true, reason: "no such street" });
    if (message.event === "flat-tyre") throw new Error("flat tyre");
  });
  await dispatch.publish({ queue: "driver", event: "no-such-street" });
  await dispatch.publish({ queue: "driver", event: "flat-tyre" });
  await dispatch.publish({ queue: "driver", event: "next" });
  await tried.has(4);
  await clumsy.cancel();
  expect([...tried.events].sort()).toEqual(["flat-tyre", "flat-tyre", "next", "no-such-street"]);
  expect((await dispatch.dead.list("driver")).messages).toMatchObject([
    { event: "no-such-street", reason: "refused", error: "no such street", attempts: 1 },
    { event: "flat-tyre", reason: "attempts", error: "flat tyre", attempts: 2 },
  ]);

  expect(await dispatch.dead.redrive("driver", { error: "flat tyre" })).toBe(1);
  await dispatch.consume("driver", handled.listen);
  await handled.has(1);
  expect(handled.events).toEqual(["flat-tyre"]);
});

test("Where is my message? Ready, delayed, out with somebody, dead or gone, and what it waits for", async () => {
  const hub = await startHub();
  const shop = client(hub.url, "acme");
  await shop.publish({ id: "o-1/pickup", queue: "driver", event: "pickup" });
  expect(await shop.why("o-1/pickup")).toMatchObject([{ state: "ready", stuck: 'nobody consumes "driver"' }]);
  let deliver = () => {};
  const ear = new Ear();
  const driver = await client(hub.url, "d1").consume("driver", (message) => {
    ear.listen(message);
    return new Promise<void>((resolve) => (deliver = resolve));
  });
  await ear.has(1);
  expect(await shop.why("o-1/pickup")).toMatchObject([{ state: "leased", leasedBy: { client: "d1", attempt: 1 } }]);
  deliver();
  await driver.cancel();
  expect(await shop.why("o-1/pickup")).toMatchObject([{ state: "ended", how: "acked" }]);
});

test("Can one consumer work alone, with another in reserve? The one that came first gets all; when it goes, the next one", async () => {
  const hub = await startHub();
  const [active, reserve] = [new Ear(), new Ear()];
  const first = client(hub.url, "ledger-1");
  await first.consume("ledger", active.listen, { exclusive: true });
  await client(hub.url, "ledger-2").consume("ledger", reserve.listen, { exclusive: true });
  const shop = client(hub.url, "acme");
  await shop.publish({ queue: "ledger", event: "paid", payload: 1 });
  await shop.publish({ queue: "ledger", event: "paid", payload: 2 });
  await active.has(2);
  await first.close();
  await shop.publish({ queue: "ledger", event: "paid", payload: 3 });
  await reserve.has(1);
  expect([active, reserve].map(({ heard }) => heard.map(({ payload }) => payload))).toEqual([[1, 2], [3]]);
});

test("Can a message wait for a time of day? It is delivered then, and not before", async () => {
  const hub = await startHub();
  const ear = new Ear();
  const shop = client(hub.url, "acme");
  await shop.consume("driver", ear.listen);
  const at = Date.now() + 500;
  await shop.publish({ queue: "driver", event: "pickup", deliverAt: new Date(at).toISOString() });
  await ear.has(1);
  expect(Date.now()).toBeGreaterThanOrEqual(at);
});

describe("Can two servers talk to each other?", () => {
  test("Through one hub, each is a client with an inbox", async () => {
    const hub = await startHub();
    const [asked, answered] = [new Ear(), new Ear()];
    const shop = client(hub.url, "shop");
    const billing = client(hub.url, "billing");
    await shop.consume(undefined, answered.listen);
    await billing.consume(undefined, async (message) => {
      asked.listen(message);
      await billing.publish({ client: message.publisher, event: "invoiced", payload: message.payload });
    });
    await shop.publish({ client: "billing", event: "sold", payload: { orderId: "o-1" } });
    await answered.has(1);
    expect(asked.events).toEqual(["sold"]);
    expect(answered.heard).toMatchObject([{ event: "invoiced", publisher: "billing", payload: { orderId: "o-1" } }]);
  });

  test("With a hub each, a client of both carries messages over; what it fails at is carried again, and arrives once", async () => {
    const north = await startHub({ store: sqliteFile(), backoffMs: 0 });
    const south = await startHub({ store: sqliteFile() });
    const shop = client(north.url, "acme");
    for (const payload of [1, 2, 3]) await shop.publish({ queue: "sold", event: "sold", payload });
    // The hub that it is carried to is not there when the first ones are under way.
    const restarted = south.restart();

    const to = client(south.url, "bridge");
    const carried = new Ear();
    let failures = 1;
    const bridge = await client(north.url, "bridge").consume("sold", async ({ id, event, payload, ...message }) => {
      await to.publish({ id, queue: "invoices", event, payload });
      if (payload === 2 && failures-- > 0) throw new Error("the bridge falls after it has carried, before its ack");
      carried.listen({ id, event, payload, ...message });
    });
    await restarted;
    await carried.has(3);
    await bridge.cancel();
    expect(await shop.why(carried.heard[0]?.id ?? "")).toMatchObject([{ state: "ended", how: "acked" }]);

    const billing = new Ear();
    const last = client(south.url, "billing");
    await last.publish({ queue: "invoices", event: "sold", payload: 4 });
    const consumer = await last.consume("invoices", billing.listen);
    await billing.has(4);
    await consumer.cancel();
    expect(billing.heard.map(({ payload }) => payload).sort()).toEqual([1, 2, 3, 4]);
  });

  test("One SQLite file belongs to one hub; a second one on the same file is refused", async () => {
    const store = sqliteFile();
    const hub = await startHub({ store });
    await expect(createHub({ port: 0, store })).rejects.toThrow("another hub has it open");
    await expect(client(hub.url, "acme").publish({ queue: "q", event: "e" })).resolves.toMatchObject({
      status: "stored",
    });
  });
});

describe("How do I deploy it?", () => {
  const SECRET = "a secret for tests, of 32 bytes or more";

  /** The token of the README's line that begins with this. */
  function tokenAsInReadme(command: string): string {
    const readme = readFileSync(path.join(__dirname, "../../README.md"), "utf8");
    const line = readme.split("\n").find((each) => each.startsWith(`waybill token ${command}`)) ?? "";
    const words = [...line.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word);
    const environment = jest.replaceProperty(process, "env", { ...process.env, WAYBILL_AUTH_SECRET: SECRET });
    let written = "";
    const stdout = jest.spyOn(process.stdout, "write").mockImplementation((text) => Boolean((written += String(text))));
    const code = runToken(words.slice(2));
    stdout.mockRestore();
    environment.restore();
    expect(code).toBe(0);
    return written.trim();
  }

  const acme = () => tokenAsInReadme("acme");
  const d1 = () => tokenAsInReadme("d1");

  test("With tokens: a vendor's places orders and hears of them, and can take no driver's work", async () => {
    const hub = await startHub({ authSecret: SECRET });
    const [parcels, news] = [new Ear(), new Ear()];
    const vendor = client(hub.url, "acme", { namespace: "/caps", token: acme() });
    const driver = client(hub.url, "d1", { namespace: "/caps", token: d1() });
    await vendor.consume(undefined, news.listen);
    await driver.consume("driver", async (message) => {
      parcels.listen(message);
      await driver.publish({ client: message.publisher, event: "delivered" });
    });
    await vendor.publish({ queue: "driver", event: "pickup" });
    await news.has(1);
    expect(parcels.events).toEqual(["pickup"]);
    expect(news.heard).toMatchObject([{ event: "delivered", publisher: "d1" }]);

    const forbidden = { code: "FORBIDDEN" };
    await expect(vendor.consume("driver", news.listen)).rejects.toMatchObject(forbidden);
    await expect(vendor.publish({ client: "d1", event: "pickup" })).rejects.toMatchObject(forbidden);
    await expect(vendor.join("north")).rejects.toMatchObject(forbidden);
    await expect(driver.publish({ queue: "driver", event: "pickup" })).rejects.toMatchObject(forbidden);
    await expect(driver.join("north")).rejects.toMatchObject(forbidden);
    await expect(client(hub.url, "acme", { token: acme() }).ready()).rejects.toMatchObject(forbidden);
    await expect(client(hub.url, "acme", { namespace: "/caps" }).ready()).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
    });
  });

  test("Under a supervisor: /healthz says that it is well, SIGTERM lets what is in hand be finished, and the next start has the rest", async () => {
    const cwd = temporaryFolder();
    const flags = ["--port", String(await keptPort()), "--drain-ms", "60000"];
    const start = () => new HubProcess({ cwd, flags, env: { WAYBILL_AUTH_SECRET: SECRET } });
    const hub = start();
    const url = await hub.url();
    expect((await fetch(`${url}/healthz`)).status).toBe(200);

    const parcels = new Ear();
    const driver = client(url, "d1", { namespace: "/caps", token: d1() });
    let arrive = () => {};
    const arrived = new Promise<void>((resolve) => (arrive = resolve));
    await driver.consume(
      "driver",
      async (message) => {
        parcels.listen(message);
        await arrived;
        await driver.publish({ client: message.publisher, event: "delivered", payload: message.payload });
      },
      { prefetch: 1 },
    );
    const vendor = client(url, "acme", { namespace: "/caps", token: acme() });
    await vendor.publish({ queue: "driver", event: "pickup", payload: 1 });
    await vendor.publish({ queue: "driver", event: "pickup", payload: 2 });
    await parcels.has(1);

    const drained = new Promise((resolve) => driver.on("drain", resolve));
    hub.signal("SIGTERM");
    await drained;
    arrive();
    expect(await hub.exited).toEqual({ code: 0, signal: null });

    const news = new Ear();
    await start().url();
    await vendor.consume(undefined, news.listen);
    await news.has(2);
    expect(news.heard.map(({ payload }) => payload)).toEqual([1, 2]);
    expect(parcels.heard.map(({ payload, attempt }) => [payload, attempt])).toEqual([
      [1, 1],
      [2, 1],
    ]);
    // Two hubs compile themselves.
  }, 60_000);
});
