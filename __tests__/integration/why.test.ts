import jwt from "jsonwebtoken";
import type { Deliver, TracedMessage, WhyReply } from "../../src/protocol/wire";
import { sqliteFile, startHub, stopHubs, type StartedHub } from "../support/start-hub";
import { connectStock, type StockClient } from "../support/stock-client";
import { killTerminals, TerminalProcess } from "../terminals/terminal-process";

afterEach(killTerminals);
afterEach(stopHubs);

const SECRET = "a secret of at least thirty-two bytes";
const ISO_TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;

type Answer = Extract<WhyReply, { ok: true }>;

async function clientOf(hub: StartedHub, clientId: string): Promise<StockClient> {
  return (await connectStock(hub.url, { auth: { clientId } })).client;
}

async function whyOf(client: StockClient, id: string, queue?: string): Promise<TracedMessage[]> {
  const reply = await client.request<WhyReply>("why", { id, queue });
  expect(reply).toMatchObject({ ok: true });
  return (reply as Answer).messages;
}

/** Asks until the answer is this: what is awaited comes about inside the hub, and no event tells of it. */
async function untilWhy(client: StockClient, id: string, state: TracedMessage["state"]): Promise<TracedMessage[]> {
  for (;;) {
    const messages = await whyOf(client, id);
    if (messages[0]?.state === state) return messages;
  }
}

const refsOf = ({ queue, messages }: Deliver) => ({
  queue,
  deliveries: messages.map(({ id, attempt }) => ({ id, attempt })),
});

describe.each([
  ["in memory", () => "memory:"],
  ["on disk", sqliteFile],
])("why, %s", (_where, store) => {
  it("follows a message from its publish to its ack", async () => {
    const hub = await startHub({ store: store(), backoffMs: 60_000 });
    const shop = await clientOf(hub, "acme");
    const driver = await clientOf(hub, "d1");
    expect(await whyOf(shop, "m")).toEqual([]);

    await shop.request("publish", { id: "m", queue: "driver", event: "pickup" });
    const known = { queue: "driver", id: "m", seq: 1, event: "pickup", publishedAt: ISO_TIME, publisher: "acme" };
    expect(await whyOf(shop, "m")).toEqual([
      { ...known, state: "ready", attempts: 0, failures: 0, stuck: 'nobody consumes "driver"' },
    ]);

    await driver.request("consume", { queue: "driver" });
    const first = await driver.next<Deliver>("deliver");
    const until = ISO_TIME;
    expect(await whyOf(shop, "m")).toEqual([
      { ...known, state: "leased", attempts: 1, failures: 0, leasedBy: { client: "d1", attempt: 1, until } },
    ]);

    await driver.request("nack", { ...refsOf(first), reason: "no such street" });
    expect(await whyOf(shop, "m")).toEqual([
      {
        ...known,
        state: "delayed",
        attempts: 1,
        failures: 1,
        error: "no such street",
        dueAt: ISO_TIME,
        stuck: expect.stringContaining("no such street") as string,
      },
    ]);
  });

  it("tells how it ended: acked, expired, dead, purged", async () => {
    const hub = await startHub({ store: store() });
    const shop = await clientOf(hub, "acme");
    const driver = await clientOf(hub, "d1");
    await shop.request("publish", {
      messages: [
        { id: "acked", queue: "driver", event: "pickup" },
        { id: "dead", queue: "driver", event: "pickup", group: "g" },
        { id: "expired", queue: "nobody's", event: "pickup", ttlMs: 1 },
      ],
    });
    await driver.request("consume", { queue: "driver" });
    const given = await driver.next<Deliver>("deliver");
    const [acked, dead] = refsOf(given).deliveries;
    await driver.request("ack", { queue: "driver", deliveries: [acked] });
    await driver.request("nack", { queue: "driver", deliveries: [dead], dead: true, reason: "fragile" });

    expect(await whyOf(shop, "acked")).toEqual([
      { queue: "driver", id: "acked", state: "ended", how: "acked", at: ISO_TIME, attempt: 1, client: "d1" },
    ]);
    expect(await untilWhy(shop, "expired", "ended")).toEqual([
      { queue: "nobody's", id: "expired", state: "ended", how: "expired", at: ISO_TIME, attempt: 0 },
    ]);
    expect(await whyOf(shop, "dead")).toEqual([
      {
        queue: "driver",
        id: "dead",
        state: "dead",
        seq: 2,
        event: "pickup",
        publishedAt: ISO_TIME,
        publisher: "acme",
        group: "g",
        attempts: 1,
        failures: 1,
        error: "fragile",
        reason: "refused",
        diedAt: ISO_TIME,
        lastHolder: "d1",
      },
    ]);
    await shop.request("purge", { queue: "driver" });
    expect(await whyOf(shop, "dead")).toEqual([
      { queue: "driver", id: "dead", state: "ended", how: "purged", at: ISO_TIME, attempt: 1 },
    ]);
  });

  it("says what keeps a message that is ready: its group, its consumers' credit", async () => {
    const hub = await startHub({ store: store() });
    const shop = await clientOf(hub, "acme");
    const driver = await clientOf(hub, "d1");
    await driver.request("consume", { queue: "driver", prefetch: 2 });
    await shop.request("publish", {
      messages: [
        { id: "first", queue: "driver", event: "pickup", group: "north" },
        { id: "behind", queue: "driver", event: "pickup", group: "north" },
      ],
    });
    await driver.next("deliver");
    const [behind] = await whyOf(shop, "behind");
    expect(behind).toMatchObject({
      state: "ready",
      stuck: expect.stringMatching(/group "north".*"first" \(seq 1\) goes first: d1 has/),
    });

    await shop.request("publish", { id: "other", queue: "driver", event: "pickup" });
    await driver.next("deliver");
    await shop.request("publish", { id: "late", queue: "driver", event: "pickup" });
    const [late] = await whyOf(shop, "late");
    expect(late).toMatchObject({ state: "ready", stuck: expect.stringContaining("d1 has 2 of 2 out") });
  });

  it("finds an id in every queue of the namespace, or in one, and in no other namespace", async () => {
    const hub = await startHub({ store: store() });
    const shop = await clientOf(hub, "acme");
    for (const queue of ["north", "south"]) await shop.request("publish", { id: "m", queue, event: "pickup" });
    const queues = async (queue?: string) => (await whyOf(shop, "m", queue)).map((found) => found.queue).sort();
    expect(await queues()).toEqual(["north", "south"]);
    expect(await queues("south")).toEqual(["south"]);
    expect(await queues("west")).toEqual([]);
    const { client: elsewhere } = await connectStock(hub.url, { namespace: "/caps" });
    expect(await whyOf(elsewhere, "m")).toEqual([]);
  });
});

it("tells 20 of a message to a large room, and that there are more", async () => {
  const hub = await startHub({ store: sqliteFile() });
  const boss = await clientOf(hub, "boss");
  const members = Array.from({ length: 30 }, (_, no) => `member-${no}`);
  await Promise.all(members.map((client) => boss.request("join", { room: "all-hands", client })));
  await boss.request("publish", { id: "m", room: "all-hands", event: "e" });
  const reply = await boss.request<Answer>("why", { id: "m" });
  expect(reply).toMatchObject({ ok: true, more: true });
  expect(reply.messages).toHaveLength(20);
  expect(await boss.request("why", { id: "m", queue: "@member-0" })).toEqual({
    ok: true,
    messages: [expect.objectContaining({ queue: "@member-0", state: "ready" })],
  });
  const shell = await new TerminalProcess(`why m --namespace / --json --url ${hub.url}`).ended;
  expect(shell).toMatchObject({
    code: 0,
    complaints: "waybill why: there are more messages with the id m than these: name the queue with --queue\n",
  });
  expect(JSON.parse(shell.lines.join(""))).toHaveLength(20);
}, 30_000);

it("what is known of a message survives a restart of the hub", async () => {
  const hub = await startHub({ store: sqliteFile() });
  const shop = await clientOf(hub, "acme");
  await shop.request("publish", {
    messages: [
      { id: "done", queue: "driver", event: "pickup" },
      { id: "later", queue: "driver", event: "pickup", deliverAt: new Date(Date.now() + 3_600_000).toISOString() },
    ],
  });
  await shop.request("consume", { queue: "driver" });
  await shop.request("ack", refsOf(await shop.next<Deliver>("deliver")));
  const before = [...(await whyOf(shop, "done")), ...(await whyOf(shop, "later"))];
  expect(before).toMatchObject([{ state: "ended", how: "acked" }, { state: "delayed" }]);
  await hub.restart();
  const after = await clientOf(hub, "acme");
  expect([...(await whyOf(after, "done")), ...(await whyOf(after, "later"))]).toEqual(before);
});

it("is for operators, on a hub with tokens", async () => {
  const hub = await startHub({ authSecret: SECRET });
  const stranger = await connectStock(hub.url, { auth: { token: jwt.sign({ sub: "d1" }, SECRET) } });
  await stranger.client.request("publish", { id: "m", queue: "q", event: "e" });
  expect(await stranger.client.request("why", { id: "m" })).toMatchObject({ ok: false, error: { code: "FORBIDDEN" } });
  const operator = await connectStock(hub.url, { auth: { token: jwt.sign({ sub: "ops", operator: true }, SECRET) } });
  expect(await whyOf(operator.client, "m")).toMatchObject([{ state: "ready" }]);
});

it("the same from a shell: waybill why", async () => {
  const hub = await startHub({ authSecret: SECRET });
  const asOperator = { WAYBILL_URL: hub.url, WAYBILL_TOKEN: jwt.sign({ sub: "ops", operator: true }, SECRET) };
  const why = (args: string, env = asOperator) => new TerminalProcess(`why ${args}`, env).ended;
  const shop = (await connectStock(hub.url, { namespace: "/caps", auth: { token: jwt.sign({ sub: "acme" }, SECRET) } }))
    .client;
  for (const queue of ["driver", "spare"]) await shop.request("publish", { id: "m-1", queue, event: "pickup" });
  await shop.request("consume", { queue: "driver" });
  await shop.next("deliver");

  const found = await why("m-1");
  expect(found).toMatchObject({ code: 0, complaints: "" });
  expect(found.lines.join("\n").split("\n\n").sort()).toEqual([
    expect.stringMatching(
      /^m-1 in driver: out with acme \(attempt 1\), who has until \S+Z\n {2}pickup, seq \d+, published \S+Z by acme\n {2}attempts 1, failures 0$/,
    ),
    expect.stringMatching(
      /^m-1 in spare: ready, waits for a consumer\n {2}nobody consumes "spare"\n {2}pickup, seq \d+, published \S+Z by acme$/,
    ),
  ]);
  const json = await why("m-1 --queue spare --json");
  expect(JSON.parse(json.lines.join(""))).toMatchObject([{ id: "m-1", queue: "spare", state: "ready" }]);

  expect(await why("m-2")).toEqual({
    code: 1,
    lines: [],
    complaints:
      "waybill why: nothing is known of m-2 in /caps: it was never stored there, or ended too long ago (--namespace looks in another)\n",
  });
  expect(await why("m-1 --namespace / --json")).toEqual({ code: 1, lines: ["[]"], complaints: "" });
  expect(await why("m-1", { ...asOperator, WAYBILL_TOKEN: jwt.sign({ sub: "d1" }, SECRET) })).toEqual({
    code: 3,
    lines: [],
    complaints: "waybill why: FORBIDDEN: d1 is not an operator.\n",
  });
  await hub.stop();
  expect(await why("m-1")).toMatchObject({
    code: 1,
    complaints: `waybill why: no hub at ${hub.url} (ECONNREFUSED)\n`,
  });
}, 60_000);
