import { identityOf } from "../../src/queue/identity";
import { queueAddress } from "../../src/queue/message";
import { rulesWith } from "../support/rules";
import { openBench, type Bench, type FakeConnection } from "./caps-bench";

const order = { store: "acme", orderId: "7", customer: "Ada", address: "Lake Ada" };
let bench: Bench;

beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench.close());

/** Waiting and out, of a queue. */
async function depth(queue: string): Promise<number> {
  const { ready, delayed, leased } = await bench.store.stats(queueAddress("/caps", queue));
  return ready + delayed + leased;
}

async function driverWith(...pickups: object[]): Promise<FakeConnection> {
  const vendor = bench.open("acme");
  for (const argument of pickups) await vendor.request("pickup", argument);
  const driver = bench.open();
  await driver.request("join", "driver");
  await driver.given(pickups.length);
  return driver;
}

describe("the way of a parcel", () => {
  test("from the shop to a driver and back", async () => {
    const vendor = bench.open();
    const driver = bench.open();
    expect(await vendor.request("join", "acme")).toEqual({ queueId: "acme", ready: 0 });
    expect(await driver.request("join", "drivers")).toEqual({ queueId: "driver", ready: 0 });
    const sent = await vendor.request("pickup", order);
    expect(sent).toMatchObject({
      event: "pickup",
      orderId: "7",
      clientId: "acme",
      queueId: "driver",
      status: "stored",
    });

    const [parcel] = await driver.given(1);
    expect(parcel).toMatchObject({
      event: "pickup",
      messageId: sent.messageId,
      orderId: "7",
      clientId: "acme",
      queueId: "driver",
      order,
      attempt: 1,
    });
    expect(parcel?.time).toBe(new Date(parcel?.time ?? "").toISOString());
    await driver.request("in-transit", parcel);
    expect(await depth("driver")).toBe(0);
    await driver.request("delivered", parcel);

    const [moving, there] = await vendor.given(2);
    expect(moving).toMatchObject({ event: "in-transit", orderId: "7", clientId: "acme", queueId: "acme", order });
    expect(there).toMatchObject({ event: "delivered", orderId: "7", clientId: "acme", queueId: "acme", order });
    expect(new Set([parcel, moving, there].map((given) => given?.messageId)).size).toBe(3);
    expect(vendor.emitted.map(({ event }) => event)).toEqual(["in-transit", "delivered"]);
    expect(await vendor.request("received", there)).toEqual({ acked: 2 });
    expect(await depth("@acme")).toBe(0);
  });

  test("is logged, event by event", async () => {
    const driver = await driverWith(order);
    await driver.request("in_transit", driver.emitted[0]?.given);
    await driver.request("received", driver.emitted[0]?.given);
    expect(driver.logged).toEqual([
      { event: "join", time: expect.any(String), payload: { queueId: "driver" }, text: "EVENT" },
      { event: "in-transit", time: expect.any(String), payload: order, text: "EVENT" },
      {
        event: "received",
        time: expect.any(String),
        payload: expect.objectContaining({ orderId: "7" }),
        text: "EVENT",
      },
    ]);
  });

  test("an order's fields stand beside it too, and never in the envelope's place", async () => {
    const driver = await driverWith({ ...order, attempt: "x", time: "noon", note: 1 });
    expect(driver.emitted[0]?.given).toMatchObject({ customer: "Ada", address: "Lake Ada", note: 1, attempt: 1 });
    expect(driver.emitted[0]?.given.time).not.toBe("noon");
    expect(driver.emitted[0]?.given.order).toMatchObject({ time: "noon" });
  });

  test.each<[string, object]>([
    ["storeName and orderID", { storeName: "acme", orderID: "7" }],
    ["an id", { store: "acme", id: "7" }],
    ["a number", { store: "acme", orderId: 7 }],
    ["an envelope", { event: "pickup", clientID: "acme", order: { id: "7" } }],
    ["an envelope with payload", { event: "pickup", queueId: "acme", payload: { orderId: "7" } }],
  ])("an order by %s is stored in the one spelling", async (_form, argument) => {
    const driver = await driverWith(argument);
    expect(driver.emitted[0]?.given).toMatchObject({
      orderId: "7",
      clientId: "acme",
      order: { store: "acme", orderId: "7" },
    });
  });

  test.each(["in-transit", "in_transit", "inTransit", "delivered"])("%s acks the pickup", async (event) => {
    const driver = await driverWith(order);
    await driver.request(event, { store: "acme", orderID: "7" });
    expect(await depth("driver")).toBe(0);
  });

  test("an order without an id gets one, in the reply and for the driver", async () => {
    const vendor = bench.open("acme");
    const first = await vendor.request("pickup", { customer: "Ada" });
    const second = await vendor.request("pickup", { customer: "Ada" });
    expect(first.orderId).not.toBe(second.orderId);
    const driver = await driverWith();
    const given = await driver.given(2);
    expect(given.map(({ orderId }) => orderId)).toEqual([first.orderId, second.orderId]);
  });
});

describe("sent again", () => {
  test("a pickup is one parcel", async () => {
    const vendor = bench.open("acme");
    const first = await vendor.request("pickup", order);
    expect(await vendor.request("pickup", { event: "pickup", order })).toEqual({ ...first, status: "duplicate" });
    expect(await depth("driver")).toBe(1);
  });

  test("another customer's order under an id used before is another parcel", async () => {
    const vendor = bench.open("acme");
    await vendor.request("pickup", order);
    expect(await vendor.request("pickup", { ...order, customer: "Bea" })).toMatchObject({ status: "stored" });
    expect(await vendor.request("pickup", { ...order, store: "other" })).toMatchObject({ status: "stored" });
    expect(await depth("driver")).toBe(3);
  });

  test("the shop's own message id decides", async () => {
    const vendor = bench.open("acme");
    const first = await vendor.request("pickup", { messageId: "m1", order: { customer: "Ada" } });
    expect(first.orderId).toBe("m1");
    expect(await vendor.request("pickup", { messageID: "m1", order: { customer: "Ada" } })).toEqual({
      ...first,
      status: "duplicate",
    });
    expect(await vendor.request("pickup", { messageId: "m2", order: { customer: "Ada" } })).toMatchObject({
      status: "stored",
    });
  });

  test("delivered is heard once, whichever driver says so", async () => {
    const one = await driverWith(order);
    const [parcel] = await one.given(1);
    expect(await one.request("delivered", parcel)).toMatchObject({ status: "stored" });
    const other = bench.open();
    expect(await other.request("delivered", { ...parcel, attempt: 2 })).toMatchObject({ status: "duplicate" });
    expect(await depth("@acme")).toBe(1);
  });

  test("delivered of orders that share an id are all heard, and ack their own pickup", async () => {
    const driver = await driverWith(order, { ...order, customer: "Bea" });
    const [first, second] = await driver.given(2);
    await driver.request("in-transit", first);
    await driver.request("delivered", first);
    expect(driver.session.held(queueAddress("/caps", "driver")).ids()).toEqual([second?.messageId]);
    await driver.request("delivered", second);
    expect(await depth("driver")).toBe(0);
    expect(await depth("@acme")).toBe(3);
  });
});

describe("received", () => {
  async function vendorWith(...events: string[]): Promise<FakeConnection> {
    const driver = bench.open();
    for (const event of events) await driver.request(event, order);
    const vendor = bench.open("acme");
    await vendor.request("join", "acme");
    await vendor.given(events.length);
    return vendor;
  }

  test.each<[string, (given: { messageId: string }) => unknown]>([
    ["the message as given", (given) => given],
    ["its messageId", ({ messageId }) => ({ messageId })],
    ["its messageID", ({ messageId }) => ({ messageID: messageId, clientID: "acme", event: "delivered" })],
    ["its messageId alone", ({ messageId }) => messageId],
    ["its orderId", () => ({ orderId: "7" })],
    ["its orderID and event", () => ({ orderID: "7", event: "delivered", queueId: "acme" })],
    ["its order's id alone", () => "7"],
    ["its order's id as the messageId", () => ({ clientId: "acme", messageId: "7" })],
    ["the order", () => order],
    ["an envelope with the order", () => ({ event: "received", payload: order })],
  ])("by %s", async (_form, answer) => {
    const vendor = await vendorWith("delivered");
    const [given] = await vendor.given(1);
    if (given === undefined) throw new Error("nothing was given");
    expect(await vendor.request("received", answer(given))).toEqual({ acked: 1 });
    expect(await depth("@acme")).toBe(0);
  });

  test("twice or late is harmless", async () => {
    const vendor = await vendorWith("delivered");
    const [given] = await vendor.given(1);
    const both = await Promise.all([vendor.request("received", given), vendor.request("received", given)]);
    expect(both.map(({ acked }) => acked).sort()).toEqual([0, 1]);
    expect(await vendor.request("received", given)).toEqual({ acked: 0 });
    expect(await vendor.request("received", { orderId: "never heard of" })).toEqual({ acked: 0 });
  });

  test("late, it does not settle another order that has the same id", async () => {
    const vendor = await vendorWith("delivered");
    const [given] = await vendor.given(1);
    await vendor.request("received", given);
    await bench.open().request("delivered", { ...order, customer: "Bea" });
    await vendor.given(2);
    expect(await vendor.request("received", given)).toEqual({ acked: 0 });
    expect(await depth("@acme")).toBe(1);
  });

  test("limited to its event", async () => {
    const vendor = await vendorWith("in-transit", "delivered");
    expect(await vendor.request("received", { orderId: "7", event: "in_transit" })).toEqual({ acked: 1 });
    expect(await depth("@acme")).toBe(1);
  });

  test("of delivered takes the in-transit of that order along, and no other", async () => {
    await bench.open().request("in-transit", { ...order, orderId: "8" });
    const vendor = await vendorWith("in-transit", "delivered");
    const given = await vendor.given(3);
    expect(await vendor.request("received", { messageId: given[2]?.messageId })).toEqual({ acked: 2 });
    expect(await depth("@acme")).toBe(1);
  });

  test("by a driver acks the pickup", async () => {
    const driver = await driverWith(order);
    expect(await driver.request("received", driver.emitted[0]?.given)).toEqual({ acked: 1 });
    expect(await depth("driver")).toBe(0);
  });

  test("acks nothing that another connection holds", async () => {
    const vendor = await vendorWith("delivered");
    expect(await bench.open("acme").request("received", vendor.emitted[0]?.given)).toEqual({ acked: 0 });
    expect(await depth("@acme")).toBe(1);
  });
});

describe("join and getAll", () => {
  test("joining twice is harmless", async () => {
    const vendor = bench.open();
    await Promise.all([vendor.request("join", "acme"), vendor.request("join", { clientId: "acme" })]);
    await vendor.request("join", { room: "acme" });
    await bench.open().request("delivered", order);
    await vendor.given(1);
    await vendor.request("join", { store: "acme" });
    expect(vendor.emitted).toHaveLength(1);
  });

  test.each<[string, unknown]>([
    ["getAll", { clientId: "acme", event: "delivered" }],
    ["getall", { queueId: "acme" }],
    ["get-all", "acme"],
  ])("%s %j gives what came while the shop was away", async (name, argument) => {
    await bench.open().request("delivered", order);
    const vendor = bench.open();
    expect(await vendor.request(name, argument)).toEqual({ queueId: "acme", ready: 1, again: 0 });
    expect((await vendor.given(1))[0]).toMatchObject({ event: "delivered", orderId: "7", attempt: 1 });
  });

  test("right after join it gives nothing twice", async () => {
    await bench.open().request("delivered", order);
    const vendor = bench.open();
    await Promise.all([vendor.request("join", "acme"), vendor.request("getAll", { queueId: "acme" })]);
    await bench.open().request("delivered", { ...order, orderId: "8" });
    expect((await vendor.given(2)).map(({ orderId }) => orderId)).toEqual(["7", "8"]);
  });

  test("gives again what is held, limited to an event where one is named", async () => {
    const driver = bench.open();
    await driver.request("in-transit", order);
    await driver.request("delivered", order);
    const vendor = bench.open("acme");
    await vendor.request("join", "acme");
    await vendor.given(2);
    expect(await vendor.request("getAll", { clientId: "acme", event: "delivered" })).toMatchObject({ again: 1 });
    expect(await vendor.request("getAll")).toMatchObject({ queueId: "acme", again: 2 });
    expect(vendor.emitted.map(({ event }) => event)).toEqual([
      "in-transit",
      "delivered",
      "delivered",
      "in-transit",
      "delivered",
    ]);
  });

  test("a resumed session finds what it holds, in the same form", async () => {
    const patient = await openBench({}, { graceMs: 60_000 });
    try {
      await patient.open().request("delivered", order);
      const vendor = patient.open("acme");
      await vendor.request("join", "acme");
      await vendor.given(1);
      vendor.disconnect();
      const back = patient.open("acme", vendor.session.id);
      await Promise.all([back.request("join", "acme"), back.request("getAll", "acme")]);
      expect(back.emitted.map(({ given }) => given)).toEqual(vendor.emitted.map(({ given }) => given));
      expect(await back.request("received", { orderId: "7" })).toEqual({ acked: 1 });
    } finally {
      await patient.close();
    }
  });

  test("a queue that was consumed through the protocol keeps the protocol's form", async () => {
    const client = bench.open("acme");
    await bench.broker.consume(client.session, "@acme", { prefetch: 10, exclusive: false });
    await client.request("join", "driver");
    await client.request("delivered", order);
    await client.request("pickup", order);
    await client.given(1);
    expect(client.emitted.map(({ event }) => event)).toEqual(["pickup"]);
    expect(client.plain.map(({ message }) => message.event)).toEqual(["delivered"]);
  });
});

describe("drivers", () => {
  test("a vanished driver's parcel goes to another", async () => {
    const gone = await driverWith(order);
    const other = bench.open();
    await other.request("join", "DRIVER");
    gone.disconnect();
    expect((await other.given(1))[0]).toMatchObject({ orderId: "7", attempt: 2 });
  });

  test("one that dawdles is given the parcel again, and hears of nothing else", async () => {
    await bench.close();
    bench = await openBench({}, { rules: rulesWith({ leaseMs: 20, backoffMs: 1, backoffMaxMs: 2 }) });
    const driver = await driverWith(order);
    const [first, again] = await driver.given(2);
    expect(driver.lost).toContain(first?.messageId);
    expect(again).toEqual({ ...first, attempt: 2 });
    expect(driver.emitted.every(({ event }) => event === "pickup")).toBe(true);
    expect(await driver.request("delivered", first)).toMatchObject({ status: "stored" });
  });

  test("one that never says received gets on past its prefetch", async () => {
    await bench.close();
    bench = await openBench({ driverPrefetch: 2 });
    const driver = await driverWith();
    const vendor = bench.open("acme");
    for (let n = 0; n < 6; n++) await vendor.request("pickup", { orderId: n });
    for (let n = 0; n < 6; n++) {
      const parcel = (await driver.given(n + 1))[n];
      expect(driver.session.heldCount).toBeLessThanOrEqual(2);
      await driver.request("delivered", { store: "acme", orderId: parcel?.orderId });
    }
    expect(await depth("driver")).toBe(0);
  });

  test("a pickup stays when the news of it is not stored", async () => {
    const driver = await driverWith(order);
    driver.session.identity = identityOf("d7", { publish: ["driver"] });
    await expect(driver.request("delivered", order)).rejects.toMatchObject({ code: "FORBIDDEN" });
    expect(await depth("driver")).toBe(1);
  });
});

describe("messages that clients of the protocol published", () => {
  async function publish(queue: string, event: string, payload: unknown): Promise<void> {
    await bench.broker.publish(bench.open("machine").session, [{ id: `plain-${event}`, queue, event, payload }]);
  }

  test.each([["a text"], [42], [null], [[1, 2]], [{ hello: "world" }], [{ orderId: { odd: true }, store: [] }]])(
    "%j is delivered in a sensible form, and can be answered",
    async (payload) => {
      await publish("driver", "pickup", payload);
      const driver = await driverWith();
      const [given] = await driver.given(1);
      expect(given).toMatchObject({
        event: "pickup",
        messageId: "plain-pickup",
        clientId: "machine",
        queueId: "driver",
      });
      expect(given?.order).toEqual(payload);
      expect(await driver.request("received", given)).toEqual({ acked: 1 });
    },
  );

  test("an order is as good as the dialect's own", async () => {
    await publish("driver", "pickup", order);
    const driver = await driverWith();
    const [given] = await driver.given(1);
    expect(given).toMatchObject({ orderId: "7", clientId: "acme", order });
    await driver.request("in-transit", given);
    expect(await depth("driver")).toBe(0);
  });

  test("no publisher speaks in the hub's or Socket.IO's own name", async () => {
    const events = ["welcome", "drain", "disconnect", "connect", "newListener", "invoice"];
    const vendor = bench.open("acme");
    await vendor.request("join", "acme");
    for (const event of events) {
      await bench.broker.publish(bench.open("machine").session, [{ client: "acme", event, payload: {} }]);
    }
    const given = await vendor.given(events.length);
    expect(given.map(({ event }) => event)).toEqual(events);
    expect(vendor.emitted.map(({ event }) => event)).toEqual([...Array<string>(5).fill("message"), "invoice"]);
  });
});
