import { WaybillError, type DeadLetterMessage, type HubClient, type TracedMessage } from "../../clients/hub-client";
import { hubAndClients, next } from "./client-under-test";

const { hub, connectClient } = hubAndClients();

const traced: TracedMessage = {
  queue: "driver",
  id: "m-1",
  state: "ended",
  how: "acked",
  at: "2026-01-31T12:00:00.000Z",
  attempt: 1,
  client: "d1",
};

describe("why", () => {
  it("asks for an id, in all queues or in one, and gives what the hub knows", async () => {
    hub().answer("why", () => ({ ok: true, messages: [traced] }));
    const client = connectClient();
    expect(await client.why("m-1")).toEqual([traced]);
    await client.why("m-1", { queue: "driver" });
    expect(hub().bodies("why")).toEqual([{ id: "m-1" }, { id: "m-1", queue: "driver" }]);
  });

  it("is asked again on the next connection, when the first one goes before the answer", async () => {
    hub().answer("why", () => undefined);
    const client = connectClient();
    const answer = client.why("m-1");
    await hub().until(() => hub().bodies("why").length === 1);
    hub().answer("why", () => ({ ok: true, messages: [] }));
    hub().cut();
    expect(await answer).toEqual([]);
    expect(hub().bodies("why", 2)).toEqual([{ id: "m-1" }]);
  });

  it("rejects with the hub's refusal", async () => {
    await expect(connectClient().why("m-1")).rejects.toMatchObject({ code: "FORBIDDEN" });
  });
});

describe("dead letters", () => {
  const letter = { id: "m-1", seq: 7, event: "pickup", reason: "refused" } as DeadLetterMessage;

  it("come by the page", async () => {
    hub().answer("dead", () => ({ ok: true, queue: "driver", total: 9, messages: [letter] }));
    const { dead } = connectClient();
    expect(await dead.list("driver")).toMatchObject({ total: 9, messages: [letter] });
    await dead.list("driver", { reason: "refused", error: "street" }, { limit: 5, afterSeq: 7 });
    expect(hub().bodies("dead")).toEqual([
      { queue: "driver" },
      { queue: "driver", reason: "refused", error: "street", limit: 5, afterSeq: 7 },
    ]);
  });

  it("are put back, at a rate, and thrown away", async () => {
    hub().answer("redrive", () => ({ ok: true, queue: "driver", redriven: 3 }));
    hub().answer("purge", () => ({ ok: true, queue: "driver", purged: 2 }));
    const { dead } = connectClient();
    expect(await dead.redrive("driver", { event: "pickup" }, { perSecond: 5 })).toBe(3);
    expect(await dead.purge("driver", { ids: ["m-1", "m-2"] })).toBe(2);
    expect(hub().bodies("redrive")).toEqual([{ queue: "driver", event: "pickup", perSecond: 5 }]);
    expect(hub().bodies("purge")).toEqual([{ queue: "driver", ids: ["m-1", "m-2"] }]);
  });

  it("are put back and thrown away in several requests where one does not hold all ids, and counted over all", async () => {
    const limits = { maxPayloadBytes: 5_000, maxBatch: 100, maxPacketBytes: 10_000, maxPrefetch: 1_000 };
    hub().welcome = { limits };
    hub().answer("redrive", ({ ids = [] }) => ({ ok: true, queue: "driver", redriven: ids.length }));
    hub().answer("purge", ({ ids = [] }) => ({ ok: true, queue: "driver", purged: ids.length }));
    const { dead } = connectClient();
    const ids = Array.from({ length: 250 }, (_, index) => `${"€".repeat(60)}${index}`);
    expect(await dead.redrive("driver", { ids, event: "pickup" })).toBe(250);
    expect(await dead.purge("driver", { ids })).toBe(250);
    for (const name of ["redrive", "purge"] as const) {
      const bodies = hub().bodies(name);
      expect(bodies.flatMap((body) => body.ids)).toEqual(ids);
      expect(bodies.length).toBeLessThan(20);
      for (const body of bodies) expect(Buffer.byteLength(JSON.stringify([name, body]))).toBeLessThan(10_000);
    }
    expect(hub().bodies("redrive")[1]).toMatchObject({ queue: "driver", event: "pickup" });
    const few = ids.slice(0, 110).map((_id, index) => `m-${index}`);
    await dead.redrive("driver", { ids: few });
    expect(hub().bodies("redrive").at(-1)).toEqual({ queue: "driver", ids: few.slice(100) });
    // A rate is one request's. Nor is a list of none to mean that there is nothing to ask.
    await dead.redrive("driver", { ids: few }, { perSecond: 5 });
    expect(hub().bodies("redrive").at(-1)).toEqual({ queue: "driver", ids: few, perSecond: 5 });
    await dead.purge("driver", { ids: [] });
    expect(hub().bodies("purge").at(-1)).toEqual({ queue: "driver", ids: [] });
  });

  it("leave it to the hub to refuse what are no ids", async () => {
    hub().answer("purge", () => ({ ok: false, error: { code: "INVALID", message: "ids", retryable: false } }));
    const purged = connectClient().dead.purge("driver", { ids: [null as unknown as string] });
    await expect(purged).rejects.toMatchObject({ code: "INVALID" });
    expect(hub().bodies("purge")).toEqual([{ queue: "driver", ids: [null] }]);
  });

  it("are an operator's", async () => {
    const { dead } = connectClient();
    for (const refused of [dead.list("driver"), dead.redrive("driver"), dead.purge("driver")]) {
      await expect(refused).rejects.toMatchObject({ code: "FORBIDDEN", retryable: false });
    }
  });
});

describe("what no packet of the hub holds", () => {
  const long = "x".repeat(1_000_000);
  it.each<[what: string, ask: (client: HubClient) => Promise<unknown>]>([
    ["join", (client) => client.join(long)],
    ["leave", (client) => client.leave("north", { client: long })],
    ["why", (client) => client.why(long)],
    ["dead.list", (client) => client.dead.list("driver", { ids: [long] })],
    ["dead.redrive", (client) => client.dead.redrive("driver", { event: long })],
    ["dead.purge", (client) => client.dead.purge("driver", { ids: [long] })],
    ["consume", (client) => client.consume(long, () => undefined)],
  ])("is refused to %s, and costs no connection", async (_what, ask) => {
    const client = connectClient();
    await expect(ask(client)).rejects.toMatchObject({
      code: "TOO_LARGE",
      message: expect.stringContaining("maxPacketBytes") as string,
    });
    expect(hub().requests).toEqual([]);
    expect(client.state).toBe("connected");
  });

  it("is told from what cannot be written at all", async () => {
    const joined = connectClient().join("north", { since: 1n as unknown as number });
    await expect(joined).rejects.toMatchObject({ code: "INVALID" });
  });
});

it("an exclusive consumer is one on the next connection as well", async () => {
  const client = connectClient();
  await client.consume("driver", () => undefined, { exclusive: true, prefetch: 2 });
  hub().cut();
  await next(client, "disconnected");
  await hub().until(() => hub().bodies("consume").length === 2);
  const consumed = { queue: "driver", prefetch: 2, exclusive: true };
  expect(hub().bodies("consume")).toEqual([consumed, consumed]);
});

it("a message to be delivered at a time says so, and the others nothing of it", async () => {
  const client = connectClient();
  const deliverAt = "2026-12-24T18:00:00+01:00";
  await Promise.all([
    client.publish({ queue: "driver", event: "wake", deliverAt }),
    client.publish({ queue: "driver", event: "wake" }),
  ]);
  const [timed, other] = hub().published();
  expect(timed).toMatchObject({ deliverAt });
  expect(other).not.toHaveProperty("deliverAt");
});

it("a publish that finds the disk full is sent again under its id, until there is space", async () => {
  let full = 2;
  hub().answer("publish", (body) => {
    const { messages } = body as { messages: { id: string }[] };
    const error = new WaybillError("DISK_FULL", "no space").toWire();
    const results = messages.map(({ id }) => (full-- > 0 ? { id, error } : { id, seq: 1, status: "stored" }));
    return { ok: true, durability: "disk", results };
  });
  expect(await connectClient().publish({ id: "m-1", queue: "driver", event: "pickup" })).toMatchObject({ id: "m-1" });
  expect(
    hub()
      .published()
      .map(({ id }) => id),
  ).toEqual(["m-1", "m-1", "m-1"]);
});
