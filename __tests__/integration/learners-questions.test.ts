/** The questions that people who learn Socket.IO ask, answered by Waybill. The README has a paragraph for each. */
import { connect, type HubClient, type HubClientOptions, type ReceivedMessage } from "../../clients/hub-client";
import { sqliteFile, startHub, stopHubs } from "../support/start-hub";

const clients: HubClient[] = [];

function client(url: string, clientId: string, options: HubClientOptions = {}): HubClient {
  const made = connect(url, { clientId, reconnectDelayMs: 20, reconnectDelayMaxMs: 50, ...options });
  clients.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map((each) => each.close({ timeoutMs: 500 })));
  await stopHubs();
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

test("... or to that driver? Publish it to the client; nobody else can take it", async () => {
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
