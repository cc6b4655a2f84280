import jwt from "jsonwebtoken";
import { ERRORS, type WireError } from "../../src/protocol/errors";
import { BAD_CAPS_REQUESTS, BAD_REQUESTS, LIMITS, MALLORY, NESTED_DEPTH, UNKNOWN_EVENTS } from "./bad-requests";
import { heapAfterCollection } from "../support/heap";
import { handleCheck, untilIdle } from "../support/leak-check";
import { startHub, stopHubs, type StartedHub } from "../support/start-hub";
import { connectRefused, connectStock, type StockClient } from "../support/stock-client";
import { SteadyClient } from "./steady-client";

/**
 * What the hub answers to clients that do everything wrong, while one beside them does everything right and must not
 * notice.
 */
const SECRET = "bad-input-test-secret-of-32-bytes-and-more";
const GRACE_MS = 50;
/** The bad requests are said so often again, and may leave so much: less than 200 bytes for each, in a process that is hub and client. */
const ROUNDS = 100;
const MAX_GROWTH_BYTES = 3_000_000;

interface Refusal {
  ok: boolean;
  error?: WireError;
  results?: { error?: WireError }[];
}

let started: StartedHub;
let steady: SteadyClient;
let mallory: StockClient;
let mallorysShop: StockClient;
let other: StockClient;

const token = (claims: object, secret = SECRET): string => jwt.sign(claims, secret);
const auth = (sub: string): { token: string } => ({ token: token({ sub }) });

const checkHandles = handleCheck();

beforeAll(async () => {
  started = await startHub({
    ...LIMITS,
    prefetch: 10,
    authSecret: SECRET,
    leaseMs: 60_000,
    graceMs: GRACE_MS,
    backoffMs: 0,
    dedupWindowMs: 1_000,
  });
  steady = await SteadyClient.connect(started.url, auth("steady"));
  other = (await connectStock(started.url, { auth: auth("other") })).client;
  mallory = (await connectStock(started.url, { auth: { token: token(MALLORY) } })).client;
  mallorysShop = (await connectStock(started.url, { namespace: "/caps", auth: { token: token(MALLORY) } })).client;
  await prepare();
});

afterAll(async () => {
  await stopHubs();
  await checkHandles();
});

/** Brings about what the rows of `bad-requests.ts` count on. */
async function prepare(): Promise<void> {
  await succeed(other, "publish", { id: "foreign", queue: "theirs", event: "work" });
  await succeed(other, "consume", { queue: "theirs" });
  await other.next("deliver");

  const messages = ["again", "done", "held"].map((id) => ({ id, queue: "jobs", event: "work" }));
  await succeed(mallory, "publish", { messages });
  await succeed(mallory, "consume", { queue: "jobs" });
  await mallory.next("deliver");
  await succeed(mallory, "nack", { queue: "jobs", deliveries: [{ id: "again", attempt: 1 }], delayMs: 0 });
  await mallory.next("deliver");
  await succeed(mallory, "ack", { queue: "jobs", deliveries: [{ id: "done", attempt: 1 }] });
  await succeed(mallory, "consume", { queue: "spare-1" });
  await succeed(mallory, "consume", { queue: "spare-2" });

  const full = Array.from({ length: LIMITS.maxQueueMessages }, () => ({ queue: "full", event: "work" }));
  await succeed(mallory, "publish", { messages: full });
  // Whatever the others made, from here on there are as many queues as there may be.
  for (let filled = 0, refused = false; !refused; filled++) {
    if (filled > LIMITS.maxQueues) throw new Error("the limit of queues does not hold");
    refused = !(await mallory.request<Refusal>("publish", { queue: `filler-${filled}`, event: "work" })).ok;
  }
}

async function succeed(client: StockClient, event: string, argument: object): Promise<void> {
  const reply = await client.request<Refusal>(event, argument);
  const error = reply.error ?? reply.results?.find((result) => result.error)?.error;
  if (error) throw new Error(`${event} was refused: ${error.message}`);
}

/** The refusal of a request, or of all its parts. */
function errorOf(reply: Refusal): WireError | undefined {
  if (!reply.ok) return reply.error;
  const errors = reply.results?.map((result) => result.error) ?? [];
  return errors.length > 0 && errors.every(Boolean) ? errors[0] : undefined;
}

function refusal(code: keyof typeof ERRORS, names: string): unknown {
  return { code, message: expect.stringContaining(names), retryable: ERRORS[code].retryable };
}

/** The arguments of an emit: none where the row has none. */
function args({ argument }: { argument?: unknown }): unknown[] {
  return argument === undefined ? [] : [argument];
}

describe.each(Object.entries(BAD_REQUESTS))("%s", (event, rows) => {
  test.each(rows)("$why: $code, naming $names", async (row) => {
    const reply = await mallory.request<Refusal>(event, ...args(row));

    expect(errorOf(reply)).toEqual(refusal(row.code, row.names));
  });
});

describe.each(Object.entries(BAD_CAPS_REQUESTS))("%s in /caps", (event, rows) => {
  test.each(rows)("$why: $code, naming $names", async (row) => {
    const reply = await mallorysShop.request<Refusal>(event, ...args(row));

    expect(errorOf(reply)).toEqual(refusal(row.code, row.names));
  });
});

test.each(UNKNOWN_EVENTS.map((event) => [event.slice(0, 20), event]))(
  "event %j: UNKNOWN_EVENT",
  async (_shown, event) => {
    const reply = await mallory.request<Refusal>(event, {});

    expect(errorOf(reply)).toEqual(refusal("UNKNOWN_EVENT", event.slice(0, 100)));
  },
);

test("a batch: the bad messages are refused one by one, and the good ones stored", async () => {
  const messages = [
    { id: "good-1", queue: "spare-1", event: "work" },
    { id: "bad", queue: "filler-0", event: "" },
    7,
    { id: "not-mine", queue: "payroll", event: "work" },
    { id: "good-2", queue: "filler-0", event: "work" },
  ];
  const reply = await mallory.request("publish", { messages });

  expect(reply).toMatchObject({
    ok: true,
    results: [
      { id: "good-1", error: refusal("FORBIDDEN", "spare-1") },
      { id: "bad", error: refusal("INVALID", "event") },
      { error: refusal("INVALID", "message must be an object") },
      { id: "not-mine", error: refusal("FORBIDDEN", "payroll") },
      { id: "good-2", status: "stored" },
    ],
  });
});

test("payloads that are nested too deeply to be written are refused, each for itself", async () => {
  // Written by hand: the client's own writer would run out of stack. How much of it the hub has decides which code it is.
  const nested = "[".repeat(NESTED_DEPTH) + "]".repeat(NESTED_DEPTH);
  const bad = `{"id":"deep","queue":"jobs","event":"work","payload":${nested}}`;
  const good = '{"id":"beside","queue":"filler-1","event":"work"}';
  const refused = {
    code: expect.stringMatching(/^(INVALID|TOO_LARGE)$/),
    message: expect.stringMatching(/payload|order/),
    retryable: false,
  };

  expect(await askRaw(mallory, "", `["publish",${bad}]`)).toEqual({ ok: false, error: refused });
  expect(await askRaw(mallory, "", `["publish",{"messages":[${bad},${good}]}]`)).toMatchObject({
    ok: true,
    results: [
      { id: "deep", error: refused },
      { id: "beside", status: "stored" },
    ],
  });
  expect(await askRaw(mallorysShop, "/caps,", `["pickup",{"store":"mallory","orderId":"1","deep":${nested}}]`)).toEqual(
    {
      ok: false,
      error: refused,
    },
  );
});

let rawRequests = 0;

/** Sends an event as text, as a client that writes its own JSON would, and gives the reply. */
function askRaw(client: StockClient, namespace: string, event: string): Promise<unknown> {
  const id = 1_000_000 + rawRequests++;
  const { engine } = client.socket.io;
  const head = `3${namespace}${id}`;
  return new Promise((resolve) => {
    engine.on("data", function look(data: unknown) {
      if (typeof data !== "string" || !data.startsWith(head)) return;
      engine.off("data", look);
      resolve((JSON.parse(data.slice(head.length)) as unknown[])[0]);
    });
    engine.write(`2${namespace}${id}${event}`);
  });
}

describe("without a callback", () => {
  test("a refusal comes as refused", async () => {
    mallory.socket.emit("consume", { queue: "payroll" });

    expect(await mallory.next("refused")).toEqual({ event: "consume", error: refusal("FORBIDDEN", "payroll") });
  });

  test("an unknown event as well", async () => {
    mallorysShop.socket.emit("hello");

    expect(await mallorysShop.next("refused")).toEqual({ event: "hello", error: refusal("UNKNOWN_EVENT", "hello") });
  });

  test("arguments past the first are ignored", async () => {
    mallory.socket.emit("cancel", { queue: 7 }, { queue: "jobs" }, 3);

    expect(await mallory.next("refused")).toEqual({ event: "cancel", error: refusal("INVALID", "queue") });
  });
});

describe("a connection", () => {
  const unsigned = `${base64url({ alg: "none", typ: "JWT" })}.${base64url({ sub: "steady" })}.`;
  const refused: [why: string, handshake: object, code: keyof typeof ERRORS, names: string][] = [
    ["nothing", {}, "UNAUTHENTICATED", "token"],
    ["a name without a token", { clientId: "steady" }, "UNAUTHENTICATED", "token"],
    ["an empty token", { token: "" }, "UNAUTHENTICATED", "token"],
    ["a token that is none", { token: "let me in" }, "UNAUTHENTICATED", "token"],
    ["a token that is a number", { token: 7 }, "INVALID", "token"],
    ["a token of 9000 characters", { token: "x".repeat(9_000) }, "TOO_LARGE", "token"],
    ["a token of another hub", { token: token({ sub: "steady" }, "another secret") }, "UNAUTHENTICATED", "token"],
    ["a token without a signature", { token: unsigned }, "UNAUTHENTICATED", "token"],
    ["a token that has expired", { token: token({ sub: "steady", exp: 1 }) }, "UNAUTHENTICATED", "expired"],
    ["a token that is not valid yet", { token: token({ sub: "a", nbf: 9e9 }) }, "UNAUTHENTICATED", "token"],
    ["a token without a subject", { token: token({ publish: [] }) }, "UNAUTHENTICATED", "sub"],
    ["a token for no name", { token: token({ sub: "a*" }) }, "UNAUTHENTICATED", "sub"],
    ["a grant that is no list", { token: token({ sub: "a", publish: "all" }) }, "UNAUTHENTICATED", "publish"],
    ["a token for other namespaces", { token: token({ sub: "a", namespaces: ["/caps"] }) }, "FORBIDDEN", "namespace"],
    ["another one's token", { clientId: "steady", ...auth("mallory") }, "UNAUTHENTICATED", "steady"],
    ["a name that is an object", { clientId: {}, ...auth("a") }, "INVALID", "clientId"],
    ["a name with a colon", { clientId: "a:b", ...auth("a") }, "INVALID", "clientId"],
    ["a session that is a number", { session: 7, ...auth("a") }, "INVALID", "session"],
    ["a session of 200 characters", { session: "x".repeat(200), ...auth("a") }, "TOO_LARGE", "session"],
  ];

  test.each(refused)("with %s: %j is %s", async (_why, handshake, code, names) => {
    const error = await connectRefused(started.url, { auth: handshake });

    expect(error.data).toEqual(refusal(code, names));
  });

  test("to a namespace that is not configured is refused, and makes none", async () => {
    const error = await connectRefused(started.url, { namespace: "/made-up", auth: auth("a") });

    expect(error.message).toBe("Invalid namespace");
  });

  test("too many of one client: LIMIT_REACHED", async () => {
    const crowd = { auth: auth("crowd") };
    await Promise.all(
      Array.from({ length: LIMITS.maxConnectionsPerClient }, () => connectStock(started.url, crowd)),
    ).then(async (connected) => {
      const error = await connectRefused(started.url, crowd);

      expect(error.data).toEqual(refusal("LIMIT_REACHED", "3 connections"));
      for (const { client } of connected) client.close();
    });
  });

  test("that shows another client's session is welcome, but not to that session", async () => {
    const victim = await connectStock<{ session: string }>(started.url, { auth: auth("victim") });
    const { welcome } = victim;
    const thief = await connectStock(started.url, { auth: { ...auth("thief"), session: welcome.session } });

    expect(thief.welcome).toMatchObject({ clientId: "thief", resumed: false });
    expect(thief.welcome.session).not.toBe(welcome.session);
    expect(victim.client.socket.connected).toBe(true);
    victim.client.close();
    thief.client.close();
  });
});

describe("frames that are not Socket.IO end their connection, and no other", () => {
  const frames: [why: string, frame: string | Buffer][] = [
    ["an unknown packet type", "9"],
    ["a packet that is no JSON", '2["publish",{'],
    ["an event without a name", "2[]"],
    ["an event with an object for a name", '2[{"a":1}]'],
    ["Socket.IO's own event", '2["disconnect","x"]'],
    ["an argument list that is an object", '2{"event":"publish"}'],
    ["attachments without a number", '5["publish",{"_placeholder":true,"num":0}]'],
    ["an attachment in place of an announced one", '51-["publish",{"_placeholder":true,"num":7}]'],
    ["an attachment that nobody announced", Buffer.from("attachment")],
    ["a packet over maxPacketBytes", `2["publish",{"queue":"jobs","event":"work","payload":"${"x".repeat(70_000)}"}]`],
  ];

  test.each(frames)("%s", async (_why, frame) => {
    const { client } = await connectStock(started.url, { auth: auth("garbler"), reconnection: false });
    const ended = client.disconnected();
    if (typeof frame === "string") client.socket.io.engine.write(frame);
    else client.socket.io.engine.write(frame);
    // The bad placeholder is noticed when its attachment comes.
    if (typeof frame === "string" && frame.startsWith("51")) client.socket.io.engine.write(Buffer.from("a"));

    expect(await ended).toMatch(/transport (close|error)|parse error|io server disconnect/);
  });

  const requests: [why: string, init: RequestInit, query: string, status: number][] = [
    ["an old protocol", {}, "EIO=3&transport=polling", 400],
    ["an unknown transport", {}, "EIO=4&transport=pigeon", 400],
    ["an unknown sid", {}, "EIO=4&transport=polling&sid=nobody", 400],
    ["a body before a handshake", { method: "POST", body: "4" }, "EIO=4&transport=polling", 400],
    ["a page from elsewhere", { headers: { origin: "https://evil.example" } }, "EIO=4&transport=polling", 403],
  ];

  test.each(requests)("over HTTP, %s", async (_why, init, query, status) => {
    const response = await fetch(`${started.url}/socket.io/?${query}`, init);
    await response.arrayBuffer();

    expect(response.status).toBe(status);
  });
});

describe("after all that", () => {
  test("what mallory holds is still what it held, and can be settled", async () => {
    const held = { queue: "jobs", deliveries: [{ id: "held", attempt: 1 }] };
    const again = { queue: "jobs", deliveries: [{ id: "again", attempt: 2 }] };

    expect(await mallory.request("extend", { ...held, leaseMs: 60_000 })).toMatchObject({
      results: [{ id: "held", status: "extended" }],
    });
    expect(await mallory.request("ack", held)).toMatchObject({ results: [{ id: "held", status: "acked" }] });
    expect(await mallory.request("ack", again)).toMatchObject({ results: [{ id: "again", status: "acked" }] });
    expect(await mallory.request("ack", held)).toMatchObject({ results: [{ id: "held", status: "already" }] });
    expect(mallory.received.filter(({ event }) => event === "deliver")).toHaveLength(2);
    expect(mallory.received.filter(({ event }) => event === "revoked")).toHaveLength(0);
  });

  test("saying it all again and again leaves nothing behind in the hub's memory", async () => {
    await steady.pause();
    await sayEverything();
    const before = heapAfterCollection();
    for (let round = 0; round < ROUNDS; round++) await sayEverything();
    const grown = heapAfterCollection() - before;
    steady.resume();

    expect(grown).toBeLessThan(MAX_GROWTH_BYTES);
  });

  test("the client beside them noticed nothing", async () => {
    const { handled, oddities } = await steady.stop();

    expect(oddities).toEqual([]);
    expect(handled).toBeGreaterThan(100);
  });

  test("the hub has no session and no delivery left when its clients are gone", async () => {
    for (const client of [mallory, mallorysShop, other, steady]) client.close();

    await untilIdle(started.hub);
    expect(started.hub.counts()).toEqual({ held: 0, connections: 0, sessions: 0 });
  });
});

async function sayEverything(): Promise<void> {
  const saying: Promise<unknown>[] = [];
  for (const [client, requests] of [
    [mallory, BAD_REQUESTS],
    [mallorysShop, BAD_CAPS_REQUESTS],
  ] as const) {
    for (const [event, rows] of Object.entries(requests)) {
      for (const row of rows) saying.push(client.request(event, ...args(row)));
    }
  }
  await Promise.all(saying);
  mallory.received.length = 0;
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
