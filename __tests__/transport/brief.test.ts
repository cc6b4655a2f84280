/** Replies that say once what is the same of each, for clients that asked for it. */
import type { Deliver } from "../../src/protocol/wire";
import { startHub, stopHubs } from "../support/start-hub";
import { connectStock, type StockClient } from "../support/stock-client";

afterEach(stopHubs);

async function briefClient(): Promise<StockClient> {
  const { url } = await startHub();
  const { client } = await connectStock(url, { auth: { clientId: "d7", brief: true } });
  return client;
}

const message = (id: string): object => ({ id, queue: "jobs", event: "e" });

async function refsOfTwo(client: StockClient): Promise<object[]> {
  await client.request("consume", { queue: "jobs" });
  await client.request("publish", { messages: [message("a"), message("b")] });
  const { messages } = await client.next<Deliver>("deliver");
  return messages.map(({ id, attempt }) => ({ id, attempt }));
}

it("a publish of which all was stored is answered with the seqs", async () => {
  const client = await briefClient();
  const reply = await client.request("publish", { messages: [message("a"), message("b")] });
  expect(reply).toEqual({ ok: true, seqs: [1, 2], durability: "memory" });
  expect(await client.request("publish", message("c"))).toEqual({ ok: true, seqs: [3], durability: "memory" });
});

it.each([
  ["one was there before", [message("b"), message("a")], [{ status: "stored" }, { status: "duplicate", seq: 1 }]],
  ["one is refused", [message("b"), { ...message("c"), event: 7 }], [{ status: "stored" }, { error: {} }]],
  ["the hub made an id up", [{ queue: "jobs", event: "e" }], [{ id: expect.any(String), status: "stored" }]],
])("where %s, each has its result", async (_what, messages, results) => {
  const client = await briefClient();
  await client.request("publish", { messages: [message("a")] });
  const reply = await client.request("publish", { messages });
  expect(reply).toMatchObject({ ok: true, results });
  expect(reply).not.toHaveProperty("seqs");
});

it.each([
  ["ack", {}, { ok: true, all: "acked" }],
  ["nack", { delayMs: 1_000 }, { ok: true, all: "nacked" }],
  ["nack", { dead: true }, { ok: true, all: "dead" }],
  [
    "extend",
    { leaseMs: 60_000 },
    { ok: true, all: "extended", deadline: expect.stringMatching(/^\d{4}-.*Z$/) as string },
  ],
] as const)("an %s %j that is the same for all is answered once", async (request, how, reply) => {
  const client = await briefClient();
  const deliveries = await refsOfTwo(client);
  expect(await client.request(request, { queue: "jobs", deliveries, ...how })).toEqual(reply);
});

it("where not all went alike, each has its result", async () => {
  const client = await briefClient();
  const [first, second] = await refsOfTwo(client);
  await client.request("ack", { queue: "jobs", deliveries: [first] });
  expect(await client.request("ack", { queue: "jobs", deliveries: [first, second] })).toEqual({
    ok: true,
    results: [
      { id: "a", status: "already" },
      { id: "b", status: "acked" },
    ],
  });
  expect(await client.request("ack", { queue: "jobs", deliveries: [{ id: "b", attempt: 9 }] })).toMatchObject({
    results: [{ id: "b", error: { code: "LEASE_LOST" } }],
  });
});
