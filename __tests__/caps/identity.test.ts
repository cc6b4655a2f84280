import { openBench, type Bench } from "./caps-bench";

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench.close());

const order = { store: "acme", orderId: "7" };

describe("on an open hub", () => {
  test.each(["join", "getAll"])(
    "a connection without an identity becomes the shop of its first %s",
    async (request) => {
      const vendor = bench.open();
      await vendor.request(request, "acme");
      expect(vendor.session.identity.clientId).toBe("acme");
      await expect(vendor.request(request, "other")).rejects.toMatchObject({
        code: "FORBIDDEN",
        message: expect.stringMatching(/"acme".*"other"/),
      });
      expect(await vendor.request("pickup", { orderId: "7" })).toMatchObject({ clientId: "acme" });
    },
  );

  test("a driver needs no name", async () => {
    const driver = bench.open();
    await driver.request("join", { clientId: "Driver" });
    expect(driver.session.identity.clientId).toMatch(/^anonymous/);
  });

  test("a stated identity joins only its own name", async () => {
    const vendor = bench.open("acme");
    await vendor.request("join", { clientId: "acme", queueId: "acme" });
    await expect(vendor.request("join", "other")).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(vendor.request("getAll", { queueId: "other" })).rejects.toMatchObject({ code: "FORBIDDEN" });
  });

  test("the store of a pickup is what the client says", async () => {
    expect(await bench.open().request("pickup", order)).toMatchObject({ clientId: "acme" });
    expect(await bench.open("other").request("pickup", order)).toMatchObject({ clientId: "acme" });
  });

  test("without a store, it is the client's own name, if it has one", async () => {
    expect(await bench.open("acme").request("pickup", { orderId: "7" })).toMatchObject({ clientId: "acme" });
    await expect(bench.open().request("pickup", { orderId: "7" })).rejects.toMatchObject({
      code: "INVALID",
      message: expect.stringContaining("store"),
    });
    await expect(bench.open().request("getAll")).rejects.toMatchObject({ code: "INVALID" });
  });
});

describe("with tokens", () => {
  test("the name must be its own", async () => {
    const vendor = bench.withToken("acme");
    expect(await vendor.request("join", "acme")).toMatchObject({ queueId: "acme" });
    await expect(vendor.request("join", "other")).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: expect.stringMatching(/"acme".*"other"/),
    });
    await expect(vendor.request("getAll", "other")).rejects.toMatchObject({ code: "FORBIDDEN" });
  });

  test("a pickup for another shop is an operator's only", async () => {
    await expect(bench.withToken("other").request("pickup", order)).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: expect.stringMatching(/"other".*"acme"/),
    });
    expect(await bench.withToken("acme").request("pickup", order)).toMatchObject({ status: "stored" });
    expect(
      await bench.withToken("office", { operator: true }).request("pickup", { ...order, orderId: 8 }),
    ).toMatchObject({ status: "stored" });
  });

  test("its lists hold", async () => {
    const shop = bench.withToken("acme", { publish: [], consume: [] });
    await expect(shop.request("join", "driver")).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(shop.request("pickup", order)).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(shop.request("delivered", order)).rejects.toMatchObject({ code: "FORBIDDEN" });
    const driver = bench.withToken("d7", { publish: ["@*"], consume: ["driver"] });
    await driver.request("join", "driver");
    expect(await driver.request("delivered", order)).toMatchObject({ status: "stored" });
  });

  test("a refused join leaves nothing behind", async () => {
    const shop = bench.withToken("acme", { consume: [] });
    await expect(shop.request("join", "driver")).rejects.toMatchObject({ code: "FORBIDDEN" });
    await bench.broker.publish(shop.session, [{ client: "acme", event: "pickup", payload: order }]);
    await bench.broker.consume(shop.session, "@acme", { prefetch: 1, exclusive: false });
    expect(shop.emitted).toEqual([]);
  });
});

describe("bad input", () => {
  const values = [undefined, null, "", 0, 42, true, [], [order], {}, { order: 1 }, { payload: "x" }, { store: {} }];
  const deep = JSON.parse(`${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`) as unknown;

  test.each(
    ["join", "pickup", "in-transit", "delivered", "received", "getAll"].flatMap((request) =>
      values.map((value) => [request, value] as const),
    ),
  )("%s %j is refused as INVALID, with a word on what was wrong", async (request, value) => {
    // A bare number is an order's id, in a receipt.
    if (request === "received" && typeof value === "number") return;
    await expect(bench.open().request(request, value)).rejects.toMatchObject({
      code: "INVALID",
      message: expect.stringMatching(/order|store|name|queue|clientId|messageId|payload|received/),
    });
  });

  test("an order nested without end is refused", async () => {
    await expect(bench.open("acme").request("pickup", { ...order, deep })).rejects.toMatchObject({ code: "INVALID" });
  });

  test("an order over the payload limit is refused", async () => {
    await expect(bench.open().request("pickup", { ...order, note: "x".repeat(70_000) })).rejects.toMatchObject({
      code: "TOO_LARGE",
    });
  });
});
