import type { ErrorCode } from "../../src/protocol/errors";

/** The limits that the requests below are just over. */
export const LIMITS = {
  maxPayloadBytes: 2048,
  maxPacketBytes: 65_536,
  maxBatch: 10,
  maxPrefetch: 50,
  maxConsumers: 3,
  maxConnectionsPerClient: 3,
  maxQueueMessages: 5,
  maxQueues: 30,
};

/**
 * Who sends them: may publish to, consume and join less than it tries to. It consumes `jobs`, `spare-1` and `spare-2`,
 * and the rows count on these deliveries: `held` of `jobs` is its own in attempt 1, `again` of `jobs` in attempt 2, `done`
 * of `jobs` it has acked, and `foreign` of `theirs` is somebody else's.
 */
export const MALLORY = {
  sub: "mallory",
  publish: ["jobs", "full", "filler-*", "@*", "driver", "room:north-*"],
  consume: ["jobs", "spare-*", "driver"],
  join: ["north-*"],
};

/** A request that must be refused: what is sent, the code of its refusal, and what the message has to say. */
export interface BadRequest {
  readonly why: string;
  readonly argument?: unknown;
  readonly code: ErrorCode;
  /** The field, limit or name that is at fault. */
  readonly names: string;
}

/** Everything but the shape is right: `jobs` is allowed, and the event is there. */
const message = (fields: object): object => ({ queue: "jobs", event: "work", ...fields });
const invalid = (why: string, argument: unknown, names: string): BadRequest => ({
  why,
  argument,
  code: "INVALID",
  names,
});
const tooLarge = (why: string, argument: unknown, names: string): BadRequest => ({
  why,
  argument,
  code: "TOO_LARGE",
  names,
});
const forbidden = (why: string, argument: unknown, names: string): BadRequest => ({
  why,
  argument,
  code: "FORBIDDEN",
  names,
});
const leaseLost = (why: string, argument: unknown, names: string): BadRequest => ({
  why,
  argument,
  code: "LEASE_LOST",
  names,
});

const long = (length: number): string => "x".repeat(length);
const entries = (count: number): object => Object.fromEntries(Array.from({ length: count }, (_, i) => [`h${i}`, "v"]));
const nested = (depth: number): unknown => JSON.parse("[".repeat(depth) + "]".repeat(depth));
/** JSON that a parser reads and a recursive writer runs out of stack on. */
export const NESTED_DEPTH = 30_000;

const PUBLISH: readonly BadRequest[] = [
  invalid("nothing at all", undefined, "message must be an object"),
  invalid("null", null, "message must be an object"),
  invalid("a text", "work", "message must be an object"),
  invalid("a number", 7, "message must be an object"),
  invalid("a list", [message({})], "message must be an object"),
  invalid("an empty object", {}, "event"),
  invalid("no event", { queue: "jobs" }, "event"),
  invalid("an empty event", message({ event: "" }), "event"),
  invalid("an event that is a number", message({ event: 5 }), "event"),
  invalid("an event with a control character", message({ event: "wo\u0000rk" }), "event"),
  tooLarge("an event of 129 characters", message({ event: long(129) }), "event"),
  invalid("no target", { event: "work" }, "queue, room and client"),
  invalid("two targets", message({ room: "north-1" }), "queue, room and client"),
  invalid("three targets", message({ room: "north-1", client: "steady" }), "queue, room and client"),
  invalid("an empty queue", message({ queue: "" }), "queue"),
  invalid("a queue that is a number", message({ queue: 7 }), "queue"),
  invalid("a queue that is null", message({ queue: null }), "queue"),
  invalid("a queue that is a list", message({ queue: ["jobs"] }), "queue"),
  invalid("a queue with a colon", message({ queue: "/caps:driver" }), "queue"),
  invalid("a queue with a star", message({ queue: "job*" }), "queue"),
  invalid("a queue with a line break", message({ queue: "jo\nbs" }), "queue"),
  invalid("a queue within white space", message({ queue: " jobs " }), "queue"),
  invalid("an inbox of nobody", message({ queue: "@" }), "queue"),
  tooLarge("a queue of 200 characters", message({ queue: long(200) }), "queue"),
  invalid("a room that is an inbox", { room: "@steady", event: "work" }, "room"),
  invalid("a client without a name", { client: "", event: "work" }, "client"),
  invalid("a client that is an object", { client: {}, event: "work" }, "client"),
  invalid("an empty id", message({ id: "" }), "id"),
  invalid("an id that is a number", message({ id: 12 }), "id"),
  invalid("an id that is half a character", message({ id: "a\ud800" }), "id"),
  tooLarge("an id of 129 characters", message({ id: long(129) }), "id"),
  invalid("a priority of 10", message({ priority: 10 }), "priority"),
  invalid("a priority below 0", message({ priority: -1 }), "priority"),
  invalid("half a priority", message({ priority: 1.5 }), "priority"),
  invalid("a priority in words", message({ priority: "high" }), "priority"),
  invalid("a priority that is null", message({ priority: null }), "priority"),
  invalid("an empty group", message({ group: "" }), "group"),
  tooLarge("a group of 129 characters", message({ group: long(129) }), "group"),
  invalid("a delay into the past", message({ delayMs: -1 }), "delayMs"),
  invalid("a delay of centuries", message({ delayMs: 1e13 }), "delayMs"),
  invalid("a delay in words", message({ delayMs: "soon" }), "delayMs"),
  invalid("a time in words", message({ deliverAt: "tomorrow" }), "deliverAt"),
  invalid("a time without its zone", message({ deliverAt: "2026-01-31T12:00:00" }), "deliverAt"),
  invalid("a time that is a number", message({ deliverAt: 1e12 }), "deliverAt"),
  invalid("a time of another century", message({ deliverAt: "2999-01-01T00:00:00Z" }), "deliverAt"),
  invalid("a delay and a time", message({ delayMs: 5, deliverAt: "2026-01-31T12:00:00Z" }), "delayMs or deliverAt"),
  invalid("no time to live", message({ ttlMs: 0 }), "ttlMs"),
  invalid("a time to live that is true", message({ ttlMs: true }), "ttlMs"),
  invalid("headers that are a text", message({ headers: "a: b" }), "headers"),
  invalid("headers that are a list", message({ headers: ["a"] }), "headers"),
  invalid("a header that would be lost", message({ headers: JSON.parse('{"__proto__":"x"}') as object }), "headers"),
  invalid("a header that is a number", message({ headers: { attempt: 1 } }), "headers.attempt"),
  tooLarge("33 headers", message({ headers: entries(33) }), "headers"),
  tooLarge("a header of 1025 characters", message({ headers: { note: long(1025) } }), "headers.note"),
  tooLarge("a payload that is too large", message({ payload: long(2048) }), "maxPayloadBytes"),
  tooLarge("a payload too large in bytes, not in characters", message({ payload: "€".repeat(800) }), "maxPayloadBytes"),
  invalid("a payload that is nested too deeply", message({ payload: nested(257) }), "nested deeper than 256"),
  invalid("a payload that is binary", message({ payload: Buffer.from("png") }), "Binary"),
  invalid("a binary attachment deep inside", message({ payload: { a: [{ b: Buffer.from("png") }] } }), "Binary"),
  forbidden("to a queue that its token does not name", message({ queue: "payroll" }), "payroll"),
  forbidden("to a room that its token does not name", { room: "south-1", event: "work" }, "room:south-1"),
  { why: "to a queue that is full", argument: message({ queue: "full" }), code: "QUEUE_FULL", names: "full" },
  {
    why: "to a new queue when there may be no more",
    argument: message({ queue: "filler-too-many" }),
    code: "LIMIT_REACHED",
    names: "30",
  },
  invalid("a batch that is a number", { messages: 7 }, "messages"),
  invalid("a batch that is null", { messages: null }, "messages"),
  invalid("an empty batch", { messages: [] }, "messages"),
  tooLarge("a batch of 11", { messages: Array.from({ length: 11 }, () => message({})) }, "messages"),
];

const CONSUME: readonly BadRequest[] = [
  invalid("a name alone", "jobs", "request must be an object"),
  invalid("a number", 7, "request must be an object"),
  invalid("a list", ["jobs"], "request must be an object"),
  invalid("an empty queue", { queue: "" }, "queue"),
  invalid("a queue that is a number", { queue: 7 }, "queue"),
  invalid("a pattern", { queue: "*" }, "queue"),
  tooLarge("a queue of 200 characters", { queue: long(200) }, "queue"),
  invalid("a prefetch of 0", { queue: "jobs", prefetch: 0 }, "prefetch"),
  invalid("a prefetch below 0", { queue: "jobs", prefetch: -5 }, "prefetch"),
  invalid("half a prefetch", { queue: "jobs", prefetch: 1.5 }, "prefetch"),
  invalid("a prefetch in words", { queue: "jobs", prefetch: "many" }, "prefetch"),
  invalid("a prefetch over maxPrefetch", { queue: "jobs", prefetch: 51 }, "50"),
  invalid("a prefetch that is null", { queue: "jobs", prefetch: null }, "prefetch"),
  invalid("exclusive in words", { queue: "jobs", exclusive: "yes" }, "exclusive"),
  forbidden("another client's inbox", { queue: "@steady" }, "@steady"),
  forbidden("a queue that its token does not name", { queue: "payroll" }, "payroll"),
  { why: "a fourth queue", argument: { queue: "spare-3" }, code: "LIMIT_REACHED", names: "3 queues" },
];

const CANCEL: readonly BadRequest[] = [
  invalid("a name alone", "jobs", "request must be an object"),
  invalid("a queue that is a number", { queue: 7 }, "queue"),
  invalid("a queue with a colon", { queue: "a:b" }, "queue"),
  tooLarge("a queue of 200 characters", { queue: long(200) }, "queue"),
];

const ref = (id: unknown, attempt?: unknown): object => ({ id, attempt });
const deliveries = (...list: unknown[]): { queue: string; deliveries: unknown[] } => ({
  queue: "jobs",
  deliveries: list,
});

/** What `ack`, `nack` and `extend` refuse alike. */
function settlements(more: object): readonly BadRequest[] {
  const of = (...list: unknown[]): object => ({ ...deliveries(...list), ...more });
  return [
    invalid("nothing at all", undefined, "request must be an object"),
    invalid("null", null, "request must be an object"),
    invalid("an id alone", "held", "request must be an object"),
    invalid("no deliveries", { queue: "jobs", ...more }, "deliveries"),
    invalid("deliveries that are an id", { queue: "jobs", deliveries: "held", ...more }, "deliveries"),
    invalid("deliveries that are one delivery", { queue: "jobs", deliveries: ref("held", 1), ...more }, "deliveries"),
    invalid("an empty list", of(), "deliveries"),
    tooLarge("11 deliveries", of(...Array.from({ length: 11 }, () => ref("held", 1))), "deliveries"),
    invalid("a delivery that is an id", of("held"), "deliveries[0]"),
    invalid("a delivery of a queue without a name", of({ id: "held", attempt: 1, queue: "" }), "deliveries[0].queue"),
    invalid("a delivery that is null", of(ref("held", 1), null), "deliveries[1]"),
    invalid("no attempt", of({ id: "held" }), "deliveries[0].attempt"),
    invalid("attempt 0", of(ref("held", 0)), "deliveries[0].attempt"),
    invalid("an attempt in words", of(ref("held", "first")), "deliveries[0].attempt"),
    invalid("no id", of({ attempt: 1 }), "deliveries[0].id"),
    invalid("an id that is a number", of(ref(5, 1)), "deliveries[0].id"),
    invalid("a queue with a star", { ...of(ref("held", 1)), queue: "*" }, "queue"),
    leaseLost("a message that never was", of(ref("no-such", 1)), "no-such"),
    leaseLost("an attempt that is yet to come", of(ref("held", 2)), "held"),
    leaseLost("an attempt that is over", of(ref("again", 1)), "again"),
    leaseLost("a message of another queue", { ...of(ref("held", 1)), queue: "spare-1" }, "held"),
    leaseLost("a queue that never was", { ...of(ref("held", 1)), queue: "no-such-queue" }, "held"),
    leaseLost("another client's delivery", { ...of(ref("foreign", 1)), queue: "theirs" }, "foreign"),
    leaseLost("another client's inbox", { ...of(ref("held", 1)), queue: "@steady" }, "held"),
  ];
}

const NACK: readonly BadRequest[] = [
  ...settlements({}),
  leaseLost("what it has acked", deliveries(ref("done", 1)), "done"),
  invalid("a delay into the past", { ...deliveries(ref("held", 1)), delayMs: -1 }, "delayMs"),
  invalid("a delay in words", { ...deliveries(ref("held", 1)), delayMs: "later" }, "delayMs"),
  invalid("a reason that is an object", { ...deliveries(ref("held", 1)), reason: {} }, "reason"),
  tooLarge("a reason of 1025 characters", { ...deliveries(ref("held", 1)), reason: long(1025) }, "reason"),
  invalid("dead in words", { ...deliveries(ref("held", 1)), dead: "yes" }, "dead"),
];

const EXTEND: readonly BadRequest[] = [
  ...settlements({ leaseMs: 5_000 }),
  leaseLost("what it has acked", { ...deliveries(ref("done", 1)), leaseMs: 5_000 }, "done"),
  invalid("no leaseMs", deliveries(ref("held", 1)), "leaseMs"),
  invalid("a lease of no time", { ...deliveries(ref("held", 1)), leaseMs: 0 }, "leaseMs"),
  invalid("a lease of more than an hour", { ...deliveries(ref("held", 1)), leaseMs: 3_600_001 }, "leaseMs"),
  invalid("a lease in words", { ...deliveries(ref("held", 1)), leaseMs: "long" }, "leaseMs"),
];

const LEAVE: readonly BadRequest[] = [
  invalid("nothing at all", undefined, "request must be an object"),
  invalid("a name alone", "north-1", "request must be an object"),
  invalid("no room", {}, "room"),
  invalid("a room that is a number", { room: 7 }, "room"),
  invalid("an empty room", { room: "" }, "room"),
  invalid("a room that is an inbox", { room: "@steady" }, "room"),
  tooLarge("a room of 200 characters", { room: long(200) }, "room"),
  invalid("a client that is a list", { room: "north-1", client: ["steady"] }, "client"),
  forbidden("for another client, without a grant", { room: "north-1", client: "steady" }, "north-1"),
];

const JOIN: readonly BadRequest[] = [
  ...LEAVE,
  forbidden("a room that its token does not name", { room: "south-1" }, "south-1"),
  invalid("a since below 0", { room: "north-1", since: -1 }, "since"),
  invalid("a since in words", { room: "north-1", since: "yesterday" }, "since"),
  invalid("a since without its zone", { room: "north-1", since: "2026-01-31T12:00:00" }, "since"),
  invalid("a since that is an object", { room: "north-1", since: { seq: 1 } }, "since"),
];

/** What `dead`, `redrive` and `purge`, which only an operator may ask, refuse alike. */
const SELECTION: readonly BadRequest[] = [
  invalid("nothing at all", undefined, "must be an object"),
  invalid("no queue", {}, "queue"),
  invalid("a queue that is a list", { queue: ["jobs"] }, "queue"),
  invalid("no ids in the list", { queue: "jobs", ids: [] }, "ids"),
  invalid("an id that is a number", { queue: "jobs", ids: [7] }, "ids[0]"),
  tooLarge("more ids than a batch", { queue: "jobs", ids: Array.from({ length: 11 }, (_, i) => `m-${i}`) }, "ids"),
  invalid("an empty event", { queue: "jobs", event: "" }, "event"),
  invalid("a group that is a list", { queue: "jobs", group: ["g"] }, "group"),
  invalid("a reason that is none", { queue: "jobs", reason: "boredom" }, "refused, attempts, expired, overflow"),
  invalid("an error of nothing", { queue: "jobs", error: "" }, "error"),
  tooLarge("an error of 1025 characters", { queue: "jobs", error: long(1025) }, "error"),
  invalid("a death in words", { queue: "jobs", diedFrom: "yesterday" }, "diedFrom"),
  invalid("a death without its zone", { queue: "jobs", diedUntil: "2026-01-31T12:00:00" }, "diedUntil"),
  forbidden("without being an operator", { queue: "jobs" }, "mallory"),
];

const DEAD: readonly BadRequest[] = [
  ...SELECTION,
  invalid("a limit of none", { queue: "jobs", limit: 0 }, "limit"),
  invalid("a limit over a batch", { queue: "jobs", limit: 11 }, "limit"),
  invalid("a seq in words", { queue: "jobs", afterSeq: "first" }, "afterSeq"),
];

const PURGE: readonly BadRequest[] = [
  ...SELECTION,
  invalid("at most none", { queue: "jobs", max: 0 }, "max"),
  // Not looked at, these would have meant all.
  invalid("the limit of a page", { queue: "jobs", limit: 1 }, "must not have the field limit"),
  invalid("a condition that is misspelt", { queue: "jobs", reasons: "expired" }, "must not have the field reasons"),
  invalid("a field of any length", { queue: "jobs", [long(1_000)]: 1 }, "must not have the field xxx"),
];

const REDRIVE: readonly BadRequest[] = [
  ...PURGE,
  invalid("a rate of none", { queue: "jobs", perSecond: 0 }, "perSecond"),
  invalid("half a rate", { queue: "jobs", perSecond: 0.5 }, "perSecond"),
  invalid("a rate of millions", { queue: "jobs", perSecond: 1e6 }, "perSecond"),
];

const WHY: readonly BadRequest[] = [
  invalid("nothing at all", undefined, "request must be an object"),
  invalid("an id alone", "held", "request must be an object"),
  invalid("no id", { queue: "jobs" }, "id"),
  invalid("an empty id", { id: "" }, "id"),
  tooLarge("an id of 129 characters", { id: long(129) }, "id"),
  invalid("a pattern", { id: "held", queue: "*" }, "queue"),
  forbidden("without being an operator", { id: "held" }, "mallory"),
];

/** In `/`, by event. */
export const BAD_REQUESTS: Readonly<Record<string, readonly BadRequest[]>> = {
  publish: PUBLISH,
  consume: CONSUME,
  cancel: CANCEL,
  ack: settlements({}),
  nack: NACK,
  extend: EXTEND,
  join: JOIN,
  leave: LEAVE,
  dead: DEAD,
  redrive: REDRIVE,
  purge: PURGE,
  why: WHY,
};

/** Events that are no requests, whatever they carry. */
export const UNKNOWN_EVENTS: readonly string[] = [
  "hello",
  "Publish",
  "publish ",
  "pickup",
  "welcome",
  "deliver",
  "refused",
  "constructor",
  "__proto__",
  "toString",
  "",
  long(5_000),
];

/** In `/caps`, by event, from the shop `mallory`. */
export const BAD_CAPS_REQUESTS: Readonly<Record<string, readonly BadRequest[]>> = {
  join: [
    invalid("nothing at all", undefined, "clientId"),
    invalid("an empty object", {}, "clientId"),
    invalid("a list", ["mallory"], "clientId"),
    invalid("a name that is an object", { clientId: {} }, "clientId"),
    invalid("a name with a colon", { queueId: "a:b" }, "a:b"),
    forbidden("another shop's name", "steady", "steady"),
    forbidden("another shop's queue", { queueId: "steady" }, "steady"),
  ],
  getAll: [
    invalid("a truth", true, "queueId"),
    invalid("an event that is a list", { clientId: "mallory", event: [] }, "event"),
    forbidden("another shop's name", { clientId: "steady" }, "steady"),
  ],
  pickup: [
    invalid("nothing at all", undefined, "order"),
    invalid("a text", "an order", "order"),
    invalid("a list", [], "order"),
    invalid("an envelope around a number", { order: 7 }, "order"),
    invalid("a store that is an object", { store: {}, orderId: "1" }, "store"),
    invalid("a store with a star", { store: "*", orderId: "1" }, "store"),
    invalid("the drivers as a store", { store: "drivers", orderId: "1" }, "store"),
    invalid("an id that is a list", { store: "mallory", orderId: [1] }, "orderId"),
    invalid("an id of 129 characters", { store: "mallory", orderId: long(129) }, "orderId"),
    tooLarge("an order that is too large", { store: "mallory", orderId: "1", note: long(2048) }, "maxPayloadBytes"),
    forbidden("another shop's order", { store: "steady", orderId: "1" }, "steady"),
  ],
  "in-transit": [
    invalid("nothing at all", undefined, "order"),
    invalid("no store", { orderId: "1" }, "store"),
    invalid("no order id", { store: "mallory" }, "orderId"),
    invalid("a message id that is an object", { store: "mallory", orderId: "1", messageId: {} }, "messageId"),
  ],
  delivered: [
    invalid("a number", 7, "order"),
    invalid("no store", { order: { id: 1 } }, "store"),
    invalid("no order id", { order: { storeName: "mallory" } }, "orderId"),
  ],
  received: [
    invalid("nothing at all", undefined, "messageId"),
    invalid("an empty object", {}, "messageId"),
    invalid("a list", [], "messageId"),
    invalid("a message id that is an object", { messageId: {} }, "messageId"),
  ],
  publish: [forbidden("to a queue that its token does not name", message({ queue: "payroll" }), "payroll")],
  ack: [leaseLost("what it does not hold", { queue: "driver", deliveries: [ref("no-such", 1)] }, "no-such")],
  consume: [forbidden("another shop's inbox", { queue: "@steady" }, "@steady")],
  hello: [{ why: "an event of neither vocabulary", code: "UNKNOWN_EVENT", names: "hello" }],
};
