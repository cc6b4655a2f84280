import jwt from "jsonwebtoken";
import { connect, Nack, type NackOptions } from "../../clients/hub-client";
import type { DeadReply, Deliver, WhyReply } from "../../src/protocol/wire";
import { connectStock, type StockClient } from "../support/stock-client";
import { sqliteFile, startHub, stopHubs } from "../support/start-hub";
import { killTerminals, TerminalProcess } from "../terminals/terminal-process";

afterEach(killTerminals);
afterEach(stopHubs);

const SECRET = "a secret of at least thirty-two bytes";
const token = (claims: object): string => jwt.sign(claims, SECRET);

/** A hub whose queue `driver` has dead letters m-0, m-1 and m-2. */
async function hubWithDeadLetters(options: Parameters<typeof startHub>[0] = {}) {
  const hub = await startHub({ store: sqliteFile(), ...options });
  const auth = options.authSecret ? { token: token({ sub: "d1" }) } : { clientId: "d1" };
  const client = connect(hub.url, { namespace: "/caps", ...auth });
  for (let number = 0; number < 3; number++) {
    await client.publish({ id: `m-${number}`, queue: "driver", event: "pickup", payload: { number } });
  }
  let left = 3;
  await new Promise<void>((resolve, reject) => {
    const refuse = (): never => {
      if (--left === 0) setImmediate(resolve);
      throw new Nack({ dead: true, reason: "no such street" });
    };
    client.consume("driver", refuse).catch(reject);
  });
  await client.close();
  return hub;
}

/** A hub whose queue `jobs` has a dead letter of each kind; with times of death that are apart. */
async function hubWithAllKinds(store: string) {
  const hub = await startHub({ store, maxAttempts: 2, backoffMs: 0 });
  const { client } = await connectStock(hub.url);
  const bury = async (id: string, fields: object, nacks: NackOptions[]): Promise<void> => {
    await client.request("publish", { id, queue: "jobs", event: "work", ...fields });
    for (const nack of nacks) {
      const { queue, messages } = await client.next<Deliver>("deliver");
      const deliveries = messages.map(({ attempt }) => ({ id, attempt }));
      expect(await client.request("nack", { queue, deliveries, ...nack })).toMatchObject({ results: [{ id }] });
    }
  };
  await client.request("consume", { queue: "jobs" });
  await bury("refused", { event: "resize", headers: { trace: "t-1" } }, [{ dead: true, reason: "no such image" }]);
  await bury("attempts", { group: "north" }, [{ delayMs: 0, reason: "busy" }, { reason: "image server away" }]);
  await bury("grouped", { group: "south" }, [{ dead: true }]);
  return { hub, client };
}

describe.each([
  ["in memory", () => "memory:"],
  ["on disk", sqliteFile],
])("dead letters by what they are, %s", (_where, store) => {
  const idsOf = async (client: StockClient, conditions: object) => {
    const reply = await client.request<DeadReply>("dead", { queue: "jobs", ...conditions });
    return reply.ok ? reply.messages.map(({ id }) => id) : reply;
  };

  it("shows those that meet every condition", async () => {
    const { client } = await hubWithAllKinds(store());
    expect(await client.request("dead", { queue: "jobs", ids: ["attempts", "unheard-of"] })).toMatchObject({
      total: 3,
      messages: [
        {
          id: "attempts",
          reason: "attempts",
          error: "image server away",
          attempts: 2,
          failures: 2,
          group: "north",
          lastHolder: expect.any(String),
        },
      ],
    });
    expect(await idsOf(client, {})).toEqual(["refused", "attempts", "grouped"]);
    expect(await idsOf(client, { event: "resize" })).toEqual(["refused"]);
    expect(await idsOf(client, { group: "south" })).toEqual(["grouped"]);
    expect(await idsOf(client, { reason: "refused" })).toEqual(["refused", "grouped"]);
    expect(await idsOf(client, { reason: "overflow" })).toEqual([]);
    expect(await idsOf(client, { error: "image" })).toEqual(["refused", "attempts"]);
    // A part of a text, not a pattern.
    expect(await idsOf(client, { error: "im%ge" })).toEqual([]);
    expect(await idsOf(client, { error: "image", event: "work" })).toEqual(["attempts"]);
    expect(await idsOf(client, { limit: 1, afterSeq: 1 })).toEqual(["attempts"]);
    expect(await idsOf(client, { reason: "refused", limit: 1, afterSeq: 1 })).toEqual(["grouped"]);

    const { messages } = await client.request<Extract<DeadReply, { ok: true }>>("dead", { queue: "jobs" });
    const [first, second, last] = messages.map(({ diedAt }) => diedAt);
    const before = (time = "") => new Date(Date.parse(time) - 1).toISOString();
    expect(await idsOf(client, { diedUntil: before(first) })).toEqual([]);
    expect(await idsOf(client, { diedFrom: first, diedUntil: last })).toEqual(["refused", "attempts", "grouped"]);
    expect(await idsOf(client, { diedFrom: second })).toContain("attempts");
    expect(await idsOf(client, { diedFrom: "2999-01-01T00:00:00Z" })).toEqual([]);
  });

  it("puts back and throws away those that meet every condition, and no others", async () => {
    const { client } = await hubWithAllKinds(store());
    expect(await client.request("purge", { queue: "jobs", error: "away", reason: "refused" })).toMatchObject({
      purged: 0,
    });
    expect(await client.request("purge", { queue: "jobs", group: "south" })).toMatchObject({ purged: 1 });
    expect(await client.request("redrive", { queue: "jobs", event: "work" })).toMatchObject({ redriven: 1 });
    expect(await client.next("deliver")).toMatchObject({ messages: [{ id: "attempts", attempt: 3 }] });
    expect(await idsOf(client, {})).toEqual(["refused"]);
    expect(await client.request("redrive", { queue: "jobs" })).toMatchObject({ redriven: 1 });
    expect(await client.next("deliver")).toMatchObject({
      messages: [{ id: "refused", attempt: 2, headers: { trace: "t-1" } }],
    });
  });

  it("takes no more than it was told, in the order of the queue", async () => {
    const { client } = await hubWithAllKinds(store());
    expect(await client.request("purge", { queue: "jobs", reason: "refused", max: 1 })).toMatchObject({ purged: 1 });
    expect(await idsOf(client, {})).toEqual(["attempts", "grouped"]);
    expect(await client.request("redrive", { queue: "jobs", max: 1 })).toMatchObject({ redriven: 1 });
    expect(await idsOf(client, {})).toEqual(["grouped"]);
  });
});

describe("a redrive at a rate", () => {
  it("makes one ready after the other", async () => {
    const { client } = await hubWithAllKinds("memory:");
    const perSecond = 4;
    const asked = Date.now();
    expect(await client.request("redrive", { queue: "jobs", perSecond })).toMatchObject({ redriven: 3 });
    for (const [place, id] of ["refused", "attempts", "grouped"].entries()) {
      expect(await client.next("deliver")).toMatchObject({ messages: [{ id }] });
      // The hub's clock and this one may be apart by what they round.
      expect(Date.now() - asked).toBeGreaterThanOrEqual((place * 1_000) / perSecond - 5);
    }
  });

  it("is kept to over a restart of the hub", async () => {
    const hub = await startHub({ store: sqliteFile() });
    const { client } = await connectStock(hub.url);
    const ids = Array.from({ length: 30 }, (_, number) => `m-${number}`);
    await client.request("publish", { messages: ids.map((id) => ({ id, queue: "jobs", event: "work" })) });
    await client.request("consume", { queue: "jobs" });
    const { messages } = await client.next<Deliver>("deliver");
    const deliveries = messages.map(({ id, attempt }) => ({ id, attempt }));
    await client.request("nack", { queue: "jobs", deliveries, dead: true });
    await client.request("cancel", { queue: "jobs" });
    expect(await client.request("redrive", { queue: "jobs", perSecond: 1 })).toMatchObject({ redriven: 30 });

    const before = await dueTimeOf(client, "m-29");
    expect(before - (await dueTimeOf(client, "m-28"))).toBe(1_000);
    await hub.restart();
    const { client: after } = await connectStock(hub.url);
    expect(await dueTimeOf(after, "m-29")).toBe(before);
    await after.request("consume", { queue: "jobs" });
    expect((await after.next<Deliver>("deliver")).messages[0]).toMatchObject({ id: "m-0" });
  });
});

/** When a message that is delayed is due. */
async function dueTimeOf(client: StockClient, id: string): Promise<number> {
  const reply = await client.request<WhyReply>("why", { id });
  const message = reply.ok ? reply.messages[0] : undefined;
  if (message?.state !== "delayed") throw new Error(`${id} is not delayed: ${JSON.stringify(reply)}`);
  return Date.parse(message.dueAt);
}

const HEADERS = Object.fromEntries(Array.from({ length: 32 }, (_, no) => [`h${no}`, "x".repeat(1_024)]));

it.each([
  ["payloads", 3, { payload: "x".repeat(600_000) }, 3],
  ["headers", 35, { headers: HEADERS }, 2],
])("a page of large %s ends before it is too much for its connection", async (_what, count, fields, pageCount) => {
  const ids = Array.from({ length: count }, (_, no) => `m-${no}`);
  const hub = await startHub();
  const { client } = await connectStock(hub.url);
  for (const id of ids) await client.request("publish", { id, queue: "jobs", event: "work", ...fields });
  await client.request("consume", { queue: "jobs" });
  for (let buried = 0; buried < ids.length;) {
    const { queue, messages } = await client.next<Deliver>("deliver");
    const deliveries = messages.map(({ id, attempt }) => ({ id, attempt }));
    await client.request("nack", { queue, deliveries, dead: true });
    buried += messages.length;
  }
  const pages: string[][] = [];
  for (let afterSeq = 0; ;) {
    const reply = await client.request<Extract<DeadReply, { ok: true }>>("dead", { queue: "jobs", afterSeq });
    expect(JSON.stringify(reply.messages).length).toBeLessThan(1_001_000);
    pages.push(reply.messages.map(({ id }) => id));
    const last = reply.messages.at(-1);
    if (last === undefined) break;
    afterSeq = last.seq;
  }
  expect(pages).toHaveLength(pageCount + 1);
  expect(pages.flat()).toEqual(ids);
});

it("an operator sees why messages died, puts them back and throws them away", async () => {
  const hub = await hubWithDeadLetters();
  const { client } = await connectStock(hub.url, { namespace: "/caps" });
  expect(await client.request("dead", { queue: "driver", limit: "2" })).toMatchObject({
    ok: true,
    queue: "driver",
    total: 3,
    messages: [
      {
        id: "m-0",
        event: "pickup",
        payload: { number: 0 },
        reason: "refused",
        error: "no such street",
        lastHolder: "d1",
        attempts: 1,
        failures: 1,
        publisher: "d1",
      },
      { id: "m-1" },
    ],
  });
  expect(await client.request("redrive", { queue: "driver", ids: ["m-1"] })).toEqual({
    ok: true,
    queue: "driver",
    redriven: 1,
  });
  await client.request("consume", { queue: "driver" });
  expect(await client.next("deliver")).toMatchObject({ messages: [{ id: "m-1", attempt: 2, redelivered: true }] });
  expect(await client.request("purge", { queue: "driver" })).toEqual({ ok: true, queue: "driver", purged: 2 });
  expect(await client.request("dead", { queue: "driver" })).toMatchObject({ total: 0, messages: [] });
});

it("nobody else does, on a hub with tokens", async () => {
  const hub = await hubWithDeadLetters({ authSecret: SECRET });
  const stranger = await connectStock(hub.url, { namespace: "/caps", auth: { token: token({ sub: "d1" }) } });
  for (const event of ["dead", "redrive", "purge"]) {
    expect(await stranger.client.request(event, { queue: "driver" })).toMatchObject({
      ok: false,
      error: { code: "FORBIDDEN" },
    });
  }
  const operator = await connectStock(hub.url, {
    namespace: "/caps",
    auth: { token: token({ sub: "ops", operator: true }) },
  });
  expect(await operator.client.request("redrive", { queue: "driver" })).toMatchObject({ redriven: 3 });
});

it("the same from a shell: waybill dead list, show, redrive, purge", async () => {
  const hub = await hubWithDeadLetters({ authSecret: SECRET });
  const asOperator = { WAYBILL_URL: hub.url, WAYBILL_TOKEN: token({ sub: "ops", operator: true }) };
  const dead = (args: string, env = asOperator) => new TerminalProcess(`dead ${args}`, env).ended;
  const listed = await dead("list driver");
  expect(listed).toMatchObject({ code: 0, complaints: "" });
  expect(listed.lines).toEqual([
    expect.stringMatching(/pickup {2}m-0 {2}refused {2}1 attempt: no such street$/),
    expect.stringContaining("m-1"),
    expect.stringContaining("m-2"),
    "3 dead in driver of /caps",
  ]);
  const shown = await dead("show driver --id m-2");
  expect(JSON.parse(shown.lines.join(""))).toMatchObject({ id: "m-2", payload: { number: 2 } });
  expect((await dead("list driver --reason attempts --since 1h")).lines).toEqual([
    "3 dead in driver of /caps, 0 shown",
  ]);
  expect((await dead("list driver --event pickup --error street --until 2999-01-01T00:00:00Z --max 2")).lines).toEqual([
    expect.stringContaining("m-0"),
    expect.stringContaining("m-1"),
    "3 dead in driver of /caps, 2 shown",
  ]);
  expect(await dead("redrive driver --id m-0 nope --per-second 5")).toEqual({
    code: 1,
    lines: ["1 put back in driver of /caps, at most 5 ready each second"],
    complaints: "waybill dead: no such dead letter in driver of /caps: nope\n",
  });
  expect(await dead("purge driver --id m-0")).toEqual({
    code: 1,
    lines: ["0 thrown away from driver of /caps (--namespace looks in another)"],
    complaints: "waybill dead: no such dead letter in driver of /caps: m-0\n",
  });
  expect(await dead("purge driver")).toMatchObject({
    code: 2,
    complaints: "waybill dead: purge needs --all, or --id, --event or the like (see waybill dead --help)\n",
  });
  expect((await dead("purge driver --all")).lines).toEqual(["2 thrown away from driver of /caps"]);
  expect((await dead("list jobs")).lines).toEqual(["0 dead in jobs of /caps (--namespace looks in another)"]);
  expect(await dead("list driver --namespace /nope")).toEqual({
    code: 3,
    lines: [],
    complaints: `waybill dead: The hub at ${hub.url} has no namespace /nope.\n`,
  });
  const stranger = { ...asOperator, WAYBILL_TOKEN: token({ sub: "d1" }) };
  expect(await dead("list driver", stranger)).toMatchObject({
    code: 3,
    complaints: "waybill dead: FORBIDDEN: d1 is not an operator.\n",
  });
  const liar = { ...asOperator, WAYBILL_TOKEN: "not a token" };
  expect(await dead("list driver", liar)).toMatchObject({ code: 3, complaints: expect.stringContaining("token") });
}, 60_000);

it("waybill dead asks for no more at a time than the hub allows", async () => {
  const hub = await hubWithDeadLetters({ maxBatch: 2 });
  const dead = (args: string) => new TerminalProcess(`dead ${args} --url ${hub.url}`).ended;
  const listed = await dead("list driver");
  expect(listed).toMatchObject({ code: 0, complaints: "" });
  expect(listed.lines.slice(0, -1).map((line) => /m-\d/.exec(line)?.[0])).toEqual(["m-0", "m-1", "m-2"]);
  expect(await dead("show driver --max 3")).toMatchObject({ code: 0, complaints: "" });
  expect((await dead("purge driver --id m-0")).lines).toEqual(["1 thrown away from driver of /caps"]);
  expect((await dead("redrive driver --id m-1")).lines).toEqual(["1 put back in driver of /caps"]);
});

it("waybill dead finds a message beyond the first page, shows no control characters, and says what is not there", async () => {
  const hub = await startHub();
  const client = connect(hub.url, { namespace: "/caps", clientId: "d1" });
  const queue = "driver";
  const ids = Array.from({ length: 120 }, (_, number) => `m-${number}`);
  await Promise.all(ids.map((id) => client.publish({ id, queue, event: "pickup\u00a0", payload: id })));
  await new Promise<void>((resolve, reject) => {
    let left = ids.length;
    const refuse = (): never => {
      if (--left === 0) setImmediate(resolve);
      throw new Nack({ dead: true, reason: "away\u001b[2J" });
    };
    client.consume(queue, refuse).catch(reject);
  });
  await client.close();
  // A slash at the end, as browsers write addresses.
  const dead = (args: string) => new TerminalProcess(`dead ${args} --url ${hub.url}/`).ended;
  const shown = await dead("show driver --id m-119");
  expect(JSON.parse(shown.lines.join(""))).toMatchObject({ id: "m-119", payload: "m-119" });
  const listed = await dead("list driver --limit 1");
  expect(listed.lines).toEqual([
    expect.stringMatching(/m-0 {2}refused {2}1 attempt: away$/),
    "120 dead in driver of /caps, 1 shown",
  ]);
  const all = await dead("list driver");
  expect(all.lines.slice(0, -1).map((line) => /m-\d+/.exec(line)?.[0])).toEqual(ids);
  expect(all.lines.at(-1)).toBe("120 dead in driver of /caps");
  expect(await dead("show driver --id m-120")).toMatchObject({
    code: 1,
    complaints: "waybill dead: no such dead letter in driver of /caps: m-120\n",
  });
  await hub.stop();
  expect(await dead("list driver")).toMatchObject({
    code: 1,
    complaints: `waybill dead: no hub at ${hub.url}/ (ECONNREFUSED)\n`,
  });
}, 60_000);
