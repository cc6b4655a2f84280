import fc from "fast-check";
import { WaybillError } from "../../src/protocol/errors";
import { isPlainAck, isPlainMessage } from "../../src/protocol/plain-requests";
import { readHandshake, requestReader, type RequestReader } from "../../src/protocol/requests";

const reader = requestReader({ maxBatch: 10, maxPrefetch: 1000 });
const message = { queue: "driver", event: "pickup", payload: { a: 1 } };
const ref = { id: "m-1", attempt: 1 };
const long = "x".repeat(200);

type Request = keyof RequestReader;

/** Each names the field that its message must name. */
const refused: [Request, unknown, code: string, field: string][] = [
  ["publish", undefined, "INVALID", "message"],
  ["publish", null, "INVALID", "message"],
  ["publish", "driver", "INVALID", "message"],
  ["publish", [message], "INVALID", "message"],
  ["publish", {}, "INVALID", "event"],
  ["publish", { queue: "driver" }, "INVALID", "event"],
  ["publish", { event: "pickup" }, "INVALID", "exactly one of queue, room and client"],
  ["publish", { ...message, room: "north" }, "INVALID", "exactly one of queue, room and client"],
  ["publish", { ...message, event: "" }, "INVALID", "event"],
  ["publish", { ...message, event: 7 }, "INVALID", "event"],
  ["publish", { ...message, event: long }, "TOO_LARGE", "event"],
  ["publish", { ...message, event: "line\nbreak" }, "INVALID", "event"],
  ["publish", { ...message, event: "\ud800" }, "INVALID", "event"],
  ["publish", { ...message, queue: "a:b" }, "INVALID", "queue"],
  ["publish", { ...message, queue: "*" }, "INVALID", "queue"],
  ["publish", { ...message, queue: "" }, "INVALID", "queue"],
  ["publish", { ...message, queue: " driver" }, "INVALID", "queue"],
  ["publish", { ...message, queue: ["driver"] }, "INVALID", "queue"],
  ["publish", { ...message, queue: long }, "TOO_LARGE", "queue"],
  ["publish", { event: "e", room: "@north" }, "INVALID", "room"],
  ["publish", { event: "e", client: "@acme" }, "INVALID", "client"],
  ["publish", { ...message, id: "" }, "INVALID", "id"],
  ["publish", { ...message, id: 7 }, "INVALID", "id"],
  ["publish", { ...message, id: long }, "TOO_LARGE", "id"],
  ["publish", { ...message, priority: 10 }, "INVALID", "priority"],
  ["publish", { ...message, priority: -1 }, "INVALID", "priority"],
  ["publish", { ...message, priority: 1.5 }, "INVALID", "priority"],
  ["publish", { ...message, priority: "high" }, "INVALID", "priority"],
  ["publish", { ...message, priority: null }, "INVALID", "priority"],
  ["publish", { ...message, delayMs: -1 }, "INVALID", "delayMs"],
  ["publish", { ...message, delayMs: 366 * 24 * 3600 * 1000 }, "INVALID", "delayMs"],
  ["publish", { ...message, delayMs: NaN }, "INVALID", "delayMs"],
  ["publish", { ...message, deliverAt: "tomorrow" }, "INVALID", "deliverAt"],
  ["publish", { ...message, deliverAt: "2026-01-31" }, "INVALID", "deliverAt"],
  ["publish", { ...message, deliverAt: "2026-01-31T12:00:00" }, "INVALID", "deliverAt"],
  ["publish", { ...message, deliverAt: "2026-02-30T12:00:00Z" }, "INVALID", "deliverAt"],
  ["publish", { ...message, deliverAt: 1_769_860_800_000 }, "INVALID", "deliverAt"],
  ["publish", { ...message, deliverAt: "2026-01-31T12:00:00Z", delayMs: 5 }, "INVALID", "delayMs or deliverAt"],
  ["publish", { ...message, ttlMs: 0 }, "INVALID", "ttlMs"],
  ["publish", { ...message, ttlMs: "soon" }, "INVALID", "ttlMs"],
  ["publish", { ...message, group: "" }, "INVALID", "group"],
  ["publish", { ...message, group: long }, "TOO_LARGE", "group"],
  ["publish", { ...message, headers: "a=b" }, "INVALID", "headers"],
  ["publish", { ...message, headers: { a: 1 } }, "INVALID", "headers.a"],
  ["publish", { ...message, headers: { a: "x".repeat(2000) } }, "TOO_LARGE", "headers.a"],
  ["publish", { ...message, headers: numbered(33) }, "TOO_LARGE", "headers"],
  ["publish", { messages: [] }, "INVALID", "messages"],
  ["publish", { messages: {} }, "INVALID", "messages"],
  ["publish", { messages: null }, "INVALID", "messages"],
  ["publish", { messages: Array(11).fill(message) }, "TOO_LARGE", "messages"],
  ["consume", "driver", "INVALID", "request"],
  ["consume", { queue: "a:b" }, "INVALID", "queue"],
  ["consume", { prefetch: 0 }, "INVALID", "prefetch"],
  ["consume", { prefetch: 1001 }, "INVALID", "prefetch"],
  ["consume", { prefetch: "many" }, "INVALID", "prefetch"],
  ["consume", { exclusive: "yes" }, "INVALID", "exclusive"],
  ["consume", { exclusive: 1 }, "INVALID", "exclusive"],
  ["cancel", { queue: 7 }, "INVALID", "queue"],
  ["ack", undefined, "INVALID", "request"],
  ["ack", {}, "INVALID", "deliveries"],
  ["ack", { deliveries: [] }, "INVALID", "deliveries"],
  ["ack", { deliveries: ref }, "INVALID", "deliveries"],
  ["ack", { deliveries: Array(11).fill(ref) }, "TOO_LARGE", "deliveries"],
  ["ack", { deliveries: ["m-1"] }, "INVALID", "deliveries[0]"],
  ["ack", { deliveries: [ref, { id: "m-2" }] }, "INVALID", "deliveries[1].attempt"],
  ["ack", { deliveries: [{ ...ref, attempt: 0 }] }, "INVALID", "deliveries[0].attempt"],
  ["ack", { deliveries: [{ ...ref, id: long }] }, "TOO_LARGE", "deliveries[0].id"],
  ["nack", { deliveries: [ref], delayMs: -1 }, "INVALID", "delayMs"],
  ["nack", { deliveries: [ref], reason: 7 }, "INVALID", "reason"],
  ["nack", { deliveries: [ref], reason: "x".repeat(2000) }, "TOO_LARGE", "reason"],
  ["nack", { deliveries: [ref], dead: "yes" }, "INVALID", "dead"],
  ["nack", { deliveries: [ref], release: true, dead: true }, "INVALID", "release alone"],
  ["nack", { deliveries: [ref], release: true, delayMs: 0 }, "INVALID", "release alone"],
  ["extend", { deliveries: [ref] }, "INVALID", "leaseMs"],
  ["extend", { deliveries: [ref], leaseMs: 999 }, "INVALID", "leaseMs"],
  ["extend", { deliveries: [ref], leaseMs: 3_600_001 }, "INVALID", "leaseMs"],
  ["join", undefined, "INVALID", "request"],
  ["join", {}, "INVALID", "room"],
  ["join", { room: "a:b" }, "INVALID", "room"],
  ["join", { room: "north", client: 7 }, "INVALID", "client"],
  ["join", { room: "north", since: -1 }, "INVALID", "since"],
  ["join", { room: "north", since: "yesterday" }, "INVALID", "since"],
  ["join", { room: "north", since: "2026-01-01T00:00:00" }, "INVALID", "since"],
  ["join", { room: "north", since: {} }, "INVALID", "since"],
  ["leave", { client: "acme" }, "INVALID", "room"],
  ...(["dead", "redrive", "purge"] as const).flatMap((request): typeof refused => [
    [request, undefined, "INVALID", "request"],
    [request, {}, "INVALID", "queue"],
    [request, { queue: "q", ids: [] }, "INVALID", "ids"],
    [request, { queue: "q", ids: ["m", 7] }, "INVALID", "ids[1]"],
    [request, { queue: "q", ids: Array(11).fill("m") }, "TOO_LARGE", "ids"],
    [request, { queue: "q", event: "" }, "INVALID", "event"],
    [request, { queue: "q", group: 7 }, "INVALID", "group"],
    [request, { queue: "q", group: long }, "TOO_LARGE", "group"],
    [request, { queue: "q", reason: "boredom" }, "INVALID", "refused, attempts, expired, overflow"],
    [request, { queue: "q", error: "" }, "INVALID", "error"],
    [request, { queue: "q", error: "x".repeat(2000) }, "TOO_LARGE", "error"],
    [request, { queue: "q", diedFrom: "yesterday" }, "INVALID", "diedFrom"],
    [request, { queue: "q", diedUntil: "2026-01-01T00:00:00" }, "INVALID", "diedUntil"],
  ]),
  ["dead", { queue: "q", limit: 11 }, "INVALID", "limit"],
  ["dead", { queue: "q", afterSeq: -1 }, "INVALID", "afterSeq"],
  ["redrive", { queue: "q", max: 0 }, "INVALID", "max"],
  ["redrive", { queue: "q", perSecond: 0 }, "INVALID", "perSecond"],
  ["redrive", { queue: "q", perSecond: 0.5 }, "INVALID", "perSecond"],
  ["redrive", { queue: "q", perSecond: 100_001 }, "INVALID", "perSecond"],
  ["purge", { queue: "q", max: "all" }, "INVALID", "max"],
  ["why", undefined, "INVALID", "request"],
  ["why", "m-1", "INVALID", "request"],
  ["why", {}, "INVALID", "id"],
  ["why", { id: "" }, "INVALID", "id"],
  ["why", { id: long }, "TOO_LARGE", "id"],
  ["why", { id: "m-1", queue: "a:b" }, "INVALID", "queue"],
];

it.each(refused)("%s %j is refused as %s, naming %s", (request, argument, code, field) => {
  const error = errorOf(() => reader[request](argument));
  expect(error.code).toBe(code);
  expect(error.message).toContain(field);
  expect(error.message).toContain("; given: ");
  expect(error.message.length).toBeLessThan(400);
});

const taken: [Request, unknown, read: unknown][] = [
  ["publish", message, published(message)],
  ["publish", { client: "acme", event: "e" }, published({ client: "acme", event: "e" })],
  ["publish", { room: "north", event: "e", payload: null }, published({ room: "north", event: "e", payload: null })],
  ["publish", { ...message, queue: "@acme" }, published({ ...message, queue: "@acme" })],
  ["publish", { ...message, unheardOf: 1 }, published(expect.objectContaining(message))],
  [
    "publish",
    { ...message, priority: "9", delayMs: "10", ttlMs: "20" },
    published({ ...message, priority: 9, delayMs: 10, ttlMs: 20 }),
  ],
  [
    "publish",
    { ...message, headers: { a: "" }, group: "g" },
    published({ ...message, headers: { a: "" }, group: "g" }),
  ],
  [
    "publish",
    { ...message, deliverAt: "2026-01-01T01:00:00+01:00" },
    published({ ...message, deliverAt: "2026-01-01T01:00:00+01:00" }),
  ],
  ["consume", undefined, {}],
  ["consume", null, {}],
  ["consume", { queue: "driver", exclusive: true }, { queue: "driver", exclusive: true }],
  ["consume", { queue: "driver", prefetch: "10" }, { queue: "driver", prefetch: 10 }],
  ["cancel", undefined, {}],
  [
    "ack",
    { queue: "driver", deliveries: [{ ...ref, attempt: "2" }] },
    { queue: "driver", deliveries: [{ id: "m-1", attempt: 2 }] },
  ],
  ["nack", { deliveries: [ref], delayMs: "5", dead: true }, { deliveries: [ref], delayMs: 5, dead: true }],
  ["extend", { deliveries: [ref], leaseMs: "60000" }, { deliveries: [ref], leaseMs: 60_000 }],
  ["join", { room: "north" }, { room: "north" }],
  ["join", { room: "north", since: 12 }, { room: "north", since: { afterSeq: 12 } }],
  ["join", { room: "north", since: "12" }, { room: "north", since: { afterSeq: 12 } }],
  ["join", { room: "north", since: "all" }, { room: "north", since: "all" }],
  [
    "join",
    { room: "north", since: "2026-01-01T01:00:00+01:00" },
    { room: "north", since: { fromTime: Date.UTC(2026, 0, 1) } },
  ],
  ["leave", { room: "north", client: "acme" }, { room: "north", client: "acme" }],
  ["dead", { queue: "q" }, { queue: "q", selection: {}, limit: 10, afterSeq: 0 }],
  [
    "dead",
    { queue: "q", ids: ["m"], event: "e", group: "g", reason: "expired", error: "street", limit: "5", afterSeq: "7" },
    {
      queue: "q",
      selection: { ids: ["m"], event: "e", group: "g", reason: "expired", error: "street" },
      limit: 5,
      afterSeq: 7,
    },
  ],
  [
    "redrive",
    { queue: "q", diedFrom: "2026-01-01T01:00:00+01:00", diedUntil: "2026-01-01T00:00:01Z", perSecond: "50" },
    {
      queue: "q",
      selection: { diedFrom: Date.UTC(2026, 0, 1), diedUntil: Date.UTC(2026, 0, 1) + 1_000 },
      perSecond: 50,
    },
  ],
  ["redrive", { queue: "q", max: "3" }, { queue: "q", selection: { limit: 3 } }],
  ["purge", { queue: "q", max: 3 }, { queue: "q", selection: { limit: 3 } }],
  ["why", { id: "m-1", queue: "@acme" }, { id: "m-1", queue: "@acme" }],
];

it.each(taken)("%s %j is read", (request, argument, read) => {
  expect(reader[request](argument)).toEqual(read);
});

it("reads a batch message by message: a bad one costs the others nothing", () => {
  const { batch, messages, refused } = reader.publish({
    messages: [message, { id: "m-2", queue: "driver" }, 7, message],
  });
  expect(batch).toBe(true);
  expect(messages).toEqual([message, message]);
  expect(refused).toEqual([
    {
      place: 1,
      id: "m-2",
      error: expect.objectContaining({ code: "INVALID", message: expect.stringContaining("event") }),
    },
    { place: 2, id: undefined, error: expect.objectContaining({ code: "INVALID" }) },
  ]);
});

it("hands a payload on as it is, without looking into it", () => {
  const payload = { __proto__: null, deep: [{ undefined: null }] };
  expect(reader.publish({ ...message, payload }).messages[0]?.payload).toBe(payload);
});

describe("what is recognised without the schema", () => {
  const someText = fc.oneof(
    fc.constantFrom("driver", "m-1"),
    fc.string({ maxLength: 4 }),
    fc.constantFrom("@acme", "@", " a", "a ", "a:b", "a*", "é", "\u007f", "line\nbreak", "x".repeat(130)),
    fc.constantFrom(null, 7, {}, []),
  );
  const someNumber = fc.constantFrom(0, 1, 1, 1, 9, 10, -1, 1.5, "4", "x", null, NaN, 2 ** 53);
  const field = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
    fc.option(value, { nil: undefined, freq: 2 });
  const rarely = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
    fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
  const given = fc.record({
    id: field(someText),
    queue: field(someText),
    room: rarely(someText),
    client: rarely(someText),
    event: fc.oneof({ weight: 5, arbitrary: fc.constant("pickup") }, { weight: 1, arbitrary: someText }),
    payload: fc.jsonValue({ maxDepth: 1 }),
    priority: field(someNumber),
    group: field(someText),
    delayMs: rarely(someNumber),
    ttlMs: rarely(someNumber),
    headers: rarely(fc.constant({ trace: "a" })),
  });

  it("is a message that the schema takes as it stands", () => {
    let recognised = 0;
    fc.assert(
      fc.property(given, (each) => {
        if (!isPlainMessage(each)) return;
        recognised++;
        // What is no message sends the whole list to the schema.
        const { messages, refused } = reader.publish({ messages: [each, 7] });
        expect(refused).toHaveLength(1);
        expect(messages).toEqual([each]);
      }),
      { numRuns: 5_000 },
    );
    expect(recognised).toBeGreaterThan(200);
  });

  it("is an ack that the schema takes as it stands", () => {
    const refs = fc.array(
      fc.record({ id: fc.oneof(fc.constant("m-1"), someText), attempt: someNumber, queue: field(someText) }),
      { maxLength: 3 },
    );
    let recognised = 0;
    fc.assert(
      fc.property(fc.record({ queue: field(someText), deliveries: refs }), (each) => {
        if (!isPlainAck(each, 10)) return;
        recognised++;
        // A nack has the same fields, and is always the schema's.
        expect(reader.nack(each)).toEqual(each);
      }),
      { numRuns: 5_000 },
    );
    expect(recognised).toBeGreaterThan(100);
  });

  it("is most of what is sent", () => {
    expect(isPlainMessage(message)).toBe(true);
    expect(
      isPlainMessage({ id: "m4x-1", client: "acme", event: "in-transit", payload: null, priority: 9, group: "g" }),
    ).toBe(true);
    expect(isPlainAck({ queue: "@acme", deliveries: [ref, { ...ref, queue: "driver" }] }, 10)).toBe(true);
    expect(isPlainAck({ deliveries: numberedRefs(11) }, 10)).toBe(false);
  });
});

describe("the handshake", () => {
  it.each([
    [undefined, {}],
    [{}, {}],
    [{ clientId: "", token: "", session: "" }, {}],
    [
      { clientId: "O'Hara & Sons", token: "t", session: "s", other: 1 },
      { clientId: "O'Hara & Sons", token: "t", session: "s" },
    ],
  ])("%j is read", (auth, read) => expect(readHandshake(auth)).toEqual(read));

  it.each([
    ["text", "auth"],
    [{ clientId: 7 }, "clientId"],
    [{ clientId: "a:b" }, "clientId"],
    [{ token: {} }, "token"],
    [{ session: 1 }, "session"],
  ])("%j is refused, naming %s", (auth, field) => expect(errorOf(() => readHandshake(auth)).message).toContain(field));
});

function published(message: unknown): object {
  return { batch: false, messages: [message], refused: [] };
}

function numberedRefs(count: number): { id: string; attempt: number }[] {
  return Array.from({ length: count }, (_, index) => ({ id: `m-${index}`, attempt: 1 }));
}

function numbered(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`h${index}`, "v"]));
}

function errorOf(act: () => unknown): WaybillError {
  try {
    act();
  } catch (error) {
    if (error instanceof WaybillError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
