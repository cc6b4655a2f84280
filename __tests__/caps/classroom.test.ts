import jwt from "jsonwebtoken";
import { handleCheck } from "../support/leak-check";
import { sqliteFile, startHub, stopHubs, type StartedHub } from "../support/start-hub";
import { ParcelClient } from "./parcel-client";

const SECRET = "a secret for tests, of 32 bytes or more";

let hub: StartedHub;

afterEach(stopHubs);
afterEach(handleCheck());

const connect = (auth?: Record<string, string>) => new ParcelClient(hub.url, auth);

/** A driver as taught: carries whatever it is given, and never says `received`. */
function carry(driver: ParcelClient): void {
  driver.socket.on("pickup", (payload: object) => {
    driver.socket.emit("in-transit", payload);
    driver.socket.emit("delivered", payload);
  });
}

describe.each(["memory:", "sqlite:"])("on an open hub with %s", (scheme) => {
  beforeEach(async () => {
    hub = await startHub({ store: scheme === "memory:" ? scheme : sqliteFile(), graceMs: 20 });
  });

  test("a parcel's whole way, in events without callbacks", async () => {
    const vendor = connect();
    const driver = connect();
    const order = { store: "1-206-flowers", orderId: "e3669048", customer: "Jamal Braun", address: "Schmittfort, LA" };
    vendor.socket.emit("join", "1-206-flowers");
    driver.socket.emit("join", "drivers");
    vendor.socket.emit("pickup", order);

    const [parcel] = await driver.of("pickup", 1);
    expect(parcel).toMatchObject({
      event: "pickup",
      orderId: "e3669048",
      clientId: "1-206-flowers",
      queueId: "driver",
      order,
      attempt: 1,
    });
    driver.socket.emit("in-transit", parcel);
    const [moving] = await vendor.of("in-transit", 1);
    expect(moving).toMatchObject({ clientId: "1-206-flowers", order });
    driver.socket.emit("delivered", parcel);
    const [there] = await vendor.of("delivered", 1);
    expect(there).toMatchObject({ event: "delivered", orderId: "e3669048", order });
    expect(there?.messageId).not.toBe(parcel?.messageId);
    expect(await vendor.ask("received", there)).toEqual({ ok: true, acked: 2 });
    expect(await vendor.ask("received", there)).toEqual({ ok: true, acked: 0 });
    expect(await vendor.ask("getAll", { clientId: "1-206-flowers" })).toMatchObject({ ok: true, ready: 0, again: 0 });
  });

  test("a shop that was away hears of its deliveries on return, once each and in order", async () => {
    const vendor = connect();
    await vendor.ask("join", "acme");
    for (const orderId of ["1", "2", "3"]) await vendor.ask("pickup", { store: "acme", orderId });
    vendor.cut();
    const driver = connect();
    carry(driver);
    await driver.ask("join", "driver");
    await driver.of("pickup", 3);
    // In order on the driver's connection: what it answers to here was taken after all that it sent before.
    await driver.ask("getAll", "driver");

    const back = connect();
    back.socket.emit("join", "acme");
    back.socket.emit("getAll", { clientId: "acme", event: "delivered" });
    const heard = await back.of("delivered", 3);
    expect(heard.map(({ orderId }) => orderId)).toEqual(["1", "2", "3"]);
    for (const payload of heard) expect((await back.ask("received", payload)).ok).toBe(true);
    expect(back.given).toHaveLength(6);
  });

  test("of 50 parcels, no two drivers get the same one", async () => {
    const vendor = connect();
    const drivers = [connect(), connect()];
    await vendor.ask("join", "acme");
    for (const driver of drivers) {
      carry(driver);
      await driver.ask("join", "driver");
    }
    for (let n = 0; n < 50; n++) vendor.socket.emit("pickup", { store: "acme", orderId: `o${n}`, customer: `c${n}` });
    const heard = await vendor.of("delivered", 50);
    expect(new Set(heard.map(({ orderId }) => orderId)).size).toBe(50);
    const carried = drivers.map((driver) => driver.given.map(({ orderId }) => orderId));
    expect(carried.flat()).toHaveLength(50);
    expect(new Set(carried.flat()).size).toBe(50);
    for (const own of carried) expect(own.length).toBeGreaterThan(0);
  });

  test("a vanished driver's parcels go to another", async () => {
    const vendor = connect();
    const gone = connect();
    await gone.ask("join", "driver");
    for (const orderId of ["1", "2", "3"]) await vendor.ask("pickup", { store: "acme", orderId });
    const [first] = await gone.of("pickup", 3);
    expect(await gone.ask("in-transit", first)).toMatchObject({ ok: true });
    const other = connect();
    await other.ask("join", "driver");
    gone.cut();
    const taken = await other.of("pickup", 2);
    expect(taken.map(({ orderId, attempt }) => [orderId, attempt])).toEqual([
      ["2", 2],
      ["3", 2],
    ]);
  });

  test("a driver without received gets on past its prefetch", async () => {
    const vendor = connect();
    const driver = connect();
    carry(driver);
    await driver.ask("join", "driver");
    for (let n = 0; n < 25; n++) vendor.socket.emit("pickup", { store: "acme", orderId: n });
    expect((await driver.of("pickup", 25)).map(({ orderId }) => orderId)).toEqual(
      Array.from({ length: 25 }, (_, n) => `${n}`),
    );
  });

  test("shops hear only of their own parcels", async () => {
    const shops = ["acme", "other"].map((store) => ({ store, client: connect() }));
    for (const { store, client } of shops) await client.ask("join", store);
    const driver = connect();
    carry(driver);
    await driver.ask("join", "driver");
    for (const { store, client } of shops) client.socket.emit("pickup", { store, orderId: "1" });
    for (const { store, client } of shops) {
      const [heard] = await client.of("delivered", 1);
      expect(heard?.clientId).toBe(store);
      expect(client.given.every(({ clientId }) => clientId === store)).toBe(true);
    }
    expect(await shops[0]?.client.ask("join", "other")).toMatchObject({ ok: false, error: { code: "FORBIDDEN" } });
  });

  if (scheme === "sqlite:") {
    test("what was under way when the hub went down goes on when it is back", async () => {
      const vendor = connect();
      const driver = connect();
      await driver.ask("join", "driver");
      await vendor.ask("pickup", { store: "acme", orderId: "1" });
      await vendor.ask("delivered", { store: "acme", orderId: "0" });
      await driver.of("pickup", 1);
      vendor.cut();
      driver.cut();
      await hub.restart();

      const [shop, other] = [connect(), connect()];
      await other.ask("join", "driver");
      expect((await other.of("pickup", 1))[0]).toMatchObject({ orderId: "1", attempt: 2 });
      await shop.ask("getAll", "acme");
      expect((await shop.of("delivered", 1))[0]).toMatchObject({ orderId: "0", attempt: 1 });
      expect(await shop.ask("delivered", { store: "acme", orderId: "0" })).toMatchObject({ status: "duplicate" });
    });
  }

  test("bad input is answered, with or without a callback, and nobody else notices", async () => {
    const clumsy = connect();
    const vendor = connect();
    await vendor.ask("join", "acme");
    const refused: { event: string; error: { code: string } }[] = [];
    const twelve = new Promise<void>((resolve) => {
      clumsy.socket.on("refused", (refusal: { event: string; error: { code: string } }) => {
        if (refused.push(refusal) === 12) resolve();
      });
    });
    for (const event of ["join", "pickup", "in-transit", "delivered", "received", "getAll"]) {
      expect(await clumsy.ask(event)).toMatchObject({ ok: false, error: { code: "INVALID", retryable: false } });
      clumsy.socket.emit(event);
      clumsy.socket.emit(event, [{ store: {} }], "and more");
    }
    await twelve;
    expect(new Set(refused.map(({ error }) => error.code))).toEqual(new Set(["INVALID"]));
    await clumsy.ask("delivered", { store: "acme", orderId: "1" });
    expect(await vendor.of("delivered", 1)).toHaveLength(1);
    expect(vendor.given).toHaveLength(1);
  });

  test("a client of the plain protocol shares the queues", async () => {
    const machine = connect({ clientId: "machine" });
    const driver = connect();
    carry(driver);
    await driver.ask("join", "driver");
    const told = new Promise<{ messages: { event: string; payload: unknown }[] }>((resolve) =>
      machine.socket.once("deliver", resolve),
    );
    expect(await machine.ask("consume", {})).toMatchObject({ ok: true });
    const payload = { store: "machine", orderId: "1", customer: "Ada" };
    await machine.ask("publish", { queue: "driver", event: "pickup", payload });
    expect((await told).messages[0]).toMatchObject({ event: "in-transit", payload });
  });
});

describe("with tokens", () => {
  beforeEach(async () => {
    hub = await startHub({ authSecret: SECRET });
  });

  const withToken = (sub: string, claims: object = {}) => connect({ token: jwt.sign({ sub, ...claims }, SECRET) });

  test("a shop joins under its own name only, and sends pickups for itself only", async () => {
    const vendor = withToken("acme");
    expect(await vendor.ask("join", "acme")).toMatchObject({ ok: true, queueId: "acme" });
    expect(await vendor.ask("join", "other")).toMatchObject({
      ok: false,
      error: { code: "FORBIDDEN", message: expect.stringMatching(/"acme".*"other"/) },
    });
    expect(await vendor.ask("pickup", { store: "other", orderId: "1" })).toMatchObject({
      ok: false,
      error: { code: "FORBIDDEN" },
    });
    expect(await vendor.ask("pickup", { orderId: "1" })).toMatchObject({ ok: true, clientId: "acme" });
    const operator = withToken("office", { operator: true });
    expect(await operator.ask("pickup", { store: "acme", orderId: "2" })).toMatchObject({ ok: true });
    const driver = withToken("d7", { publish: ["@*"], consume: ["driver"] });
    carry(driver);
    await driver.ask("join", "driver");
    expect((await vendor.of("delivered", 2)).map(({ orderId }) => orderId)).toEqual(["1", "2"]);
  });
});
