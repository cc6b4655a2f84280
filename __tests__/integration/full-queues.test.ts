import type { PublishReply } from "../../src/protocol/wire";
import { sqliteFile, startHub, stopHubs } from "../support/start-hub";
import { connectStock, type StockClient } from "../support/stock-client";

afterEach(stopHubs);

const FULL = { error: { code: "QUEUE_FULL", retryable: true } };

describe.each([
  ["in memory", () => "memory:"],
  ["on disk", sqliteFile],
])("a full queue, %s", (_where, store) => {
  async function shopOf(): Promise<StockClient> {
    const hub = await startHub({ store: store(), maxQueueMessages: 3 });
    return (await connectStock(hub.url, { auth: { clientId: "acme" } })).client;
  }

  function publish(shop: StockClient, ...ids: string[]): Promise<PublishReply> {
    return shop.request("publish", { messages: ids.map((id) => ({ id, queue: "driver", event: "pickup" })) });
  }

  it("tells a publisher that lost its answer that the message is stored, rather than let it try until it is stored twice", async () => {
    const shop = await shopOf();
    expect(await publish(shop, "a", "b", "c")).toMatchObject({ results: [{ seq: 1 }, { seq: 2 }, { seq: 3 }] });
    expect(await publish(shop, "a", "d", "c", "e")).toMatchObject({
      results: [
        { id: "a", status: "duplicate", seq: 1 },
        { id: "d", ...FULL },
        { id: "c", status: "duplicate", seq: 3 },
        { id: "e", ...FULL },
      ],
    });
    expect(await shop.request("publish", { id: "b", queue: "driver", event: "pickup" })).toMatchObject({
      ok: true,
      results: [{ id: "b", status: "duplicate", seq: 2 }],
    });
  });

  it("does so for what is sent again before it is stored, and within one batch", async () => {
    const shop = await shopOf();
    const [first, again] = await Promise.all([publish(shop, "a", "b", "c", "a"), publish(shop, "b", "d")]);
    expect(first).toMatchObject({ results: [{ seq: 1 }, { seq: 2 }, { seq: 3 }, { status: "duplicate", seq: 1 }] });
    expect(again).toMatchObject({ results: [{ status: "duplicate", seq: 2 }, FULL] });
  });

  it("does so for a room of which one inbox is full", async () => {
    const shop = await shopOf();
    await shop.request("join", { room: "north" });
    const toRoom = (id: string) => shop.request("publish", { id, room: "north", event: "news" });
    for (const id of ["a", "b", "c"]) expect(await toRoom(id)).toMatchObject({ ok: true });
    expect(await toRoom("d")).toMatchObject(FULL);
    expect(await toRoom("b")).toMatchObject({ ok: true, results: [{ id: "b", status: "duplicate" }] });
  });

  it("forgets ids as any queue does", async () => {
    const hub = await startHub({ store: store(), maxQueueMessages: 1, dedupWindowMs: 1_000, dedupMaxIds: 1_000 });
    const { client: shop } = await connectStock(hub.url, { auth: { clientId: "acme" } });
    await publish(shop, "a");
    // Two generations of other ids.
    for (let round = 0; round < 3; round++) {
      const others = Array.from({ length: 1_000 }, (_, no) => ({ id: "m", client: `${round}-${no}`, event: "e" }));
      await shop.request("publish", { messages: others });
    }
    expect(await publish(shop, "a")).toMatchObject({ results: [FULL] });
  });
});
