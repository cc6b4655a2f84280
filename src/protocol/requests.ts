/**
 * Reads what clients send: `unknown` goes in, a typed request comes out, or a `WaybillError` whose message names the
 * field, what is allowed there and what was given. The one place where the shapes of `wire.ts` are checked.
 *
 * Fields that the protocol does not know are ignored, so that a newer client can talk to an older hub.
 */
import { z } from "zod";
import { WaybillError, type WireError } from "./errors";
import { isName, isQueueName, MAX_NAME_LENGTH } from "./names";
import type {
  AckRequest,
  CancelRequest,
  ConsumeRequest,
  DeadRequest,
  DeadSelection,
  ExtendRequest,
  Handshake,
  LeaveRequest,
  Limits,
  NackRequest,
  PublishMessage,
} from "./wire";

export const MAX_ID_LENGTH = 128;
export const MAX_EVENT_LENGTH = 128;
export const MAX_GROUP_LENGTH = 128;
export const MAX_HEADERS = 32;
export const MAX_HEADER_LENGTH = 1024;
export const MAX_REASON_LENGTH = 1024;
/** A year: far enough for any reminder, near enough that a wrong unit (µs, ns) is noticed. */
export const MAX_DELAY_MS = 365 * 24 * 60 * 60 * 1000;
export const MIN_EXTENSION_MS = 1_000;
/** An hour: a consumer that needs longer says so again, so that one that is stuck is noticed. */
export const MAX_EXTENSION_MS = 60 * 60 * 1000;
const DEFAULT_DEAD_LIMIT = 100;
const MAX_TOKEN_LENGTH = 8_192;
const MAX_GIVEN_LENGTH = 60;

/** One message of a publish: read, or refused on its own. */
export type ReadMessage = { readonly message: PublishMessage } | { readonly id?: string; readonly error: WireError };

export interface ReadPublish {
  /** Whether the messages came as a list: then each has a result of its own, also when it is refused. */
  readonly batch: boolean;
  readonly messages: readonly ReadMessage[];
}

export interface ReadJoin {
  readonly room: string;
  readonly client?: string;
  readonly since?: { readonly afterSeq: number } | { readonly fromTime: number } | "all";
}

/** One reader for each request of the protocol. Each throws a `WaybillError` with `INVALID` or `TOO_LARGE`. */
export interface RequestReader {
  publish(argument: unknown): ReadPublish;
  consume(argument: unknown): ConsumeRequest;
  cancel(argument: unknown): CancelRequest;
  ack(argument: unknown): AckRequest;
  nack(argument: unknown): NackRequest;
  extend(argument: unknown): ExtendRequest;
  join(argument: unknown): ReadJoin;
  leave(argument: unknown): LeaveRequest;
  dead(argument: unknown): Required<DeadRequest>;
  deadSelection(argument: unknown): DeadSelection;
}

// Texts that are stored and compared: a lone surrogate would come back from the disk as another character.
const PRINTABLE = /^[^\p{C}]+$/u;
const NUMERIC = /^-?\d+$/;

function printable(maxLength: number) {
  const allowed = `must be 1 to ${maxLength} printable characters`;
  return z.string(allowed).min(1, allowed).max(maxLength, allowed).regex(PRINTABLE, allowed);
}

function textUpTo(maxLength: number) {
  const allowed = `must be a string of at most ${maxLength} characters`;
  return z.string(allowed).max(maxLength, allowed);
}

function name(what: string, isAllowed: (value: string) => boolean, maxLength: number) {
  const allowed = `must be ${what} (1 to ${MAX_NAME_LENGTH} characters, no control characters, ":" or "*")`;
  return z.string(allowed).max(maxLength, allowed).refine(isAllowed, allowed);
}

/** Some clients can only send strings, so a number may be written as one. */
function wholeNumber(min: number, max: number, unit = "") {
  const allowed = `must be a whole number from ${min} to ${max}${unit}`;
  const bounded = z.int(allowed).min(min, allowed).max(max, allowed);
  return z.preprocess((given) => (typeof given === "string" && NUMERIC.test(given) ? Number(given) : given), bounded);
}

const MUST_BE_OBJECT = "must be an object";

const queueName = name("a queue's name, or @ and a client's", isQueueName, MAX_NAME_LENGTH + 1);
const roomName = name("a room's name", isName, MAX_NAME_LENGTH);
const clientName = name("a client's name", isName, MAX_NAME_LENGTH);
const messageId = printable(MAX_ID_LENGTH);

const headerEntries = z
  .record(
    printable(MAX_NAME_LENGTH),
    textUpTo(MAX_HEADER_LENGTH),
    `must be an object of at most ${MAX_HEADERS} strings`,
  )
  .check(({ value, issues }) => {
    if (Object.keys(value).length <= MAX_HEADERS) return;
    const message = `must have at most ${MAX_HEADERS} entries`;
    issues.push({ code: "too_big", origin: "record", maximum: MAX_HEADERS, input: value, message });
  });
// A record leaves this entry out without a word, to keep prototypes clean.
const headers = z
  .custom<unknown>(
    (given) => !Object.hasOwn(Object(given) as object, "__proto__"),
    'must not have an entry "__proto__"',
  )
  .pipe(headerEntries);

const publishMessage = z
  .object(
    {
      id: messageId.optional(),
      queue: queueName.optional(),
      room: roomName.optional(),
      client: clientName.optional(),
      event: printable(MAX_EVENT_LENGTH),
      payload: z.unknown().optional(),
      priority: wholeNumber(0, 9).optional(),
      group: printable(MAX_GROUP_LENGTH).optional(),
      delayMs: wholeNumber(0, MAX_DELAY_MS, " (milliseconds)").optional(),
      ttlMs: wholeNumber(1, MAX_DELAY_MS, " (milliseconds)").optional(),
      headers: headers.optional(),
    },
    MUST_BE_OBJECT,
  )
  .refine(
    ({ queue, room, client }) =>
      Number(queue !== undefined) + Number(room !== undefined) + Number(client !== undefined) === 1,
    "must name exactly one of queue, room and client",
  );

const cancelRequest = z.object({ queue: queueName.optional() }, MUST_BE_OBJECT);
const leaveRequest = z.object({ room: roomName, client: clientName.optional() }, MUST_BE_OBJECT);

const SINCE_ALLOWED = 'must be a seq, an ISO time with its zone or "all"';
const isoTime = z.iso.datetime({ offset: true });
const since = z.unknown().transform((given, context): NonNullable<ReadJoin["since"]> => {
  if (given === "all") return "all";
  const seq = typeof given === "string" && NUMERIC.test(given) ? Number(given) : given;
  if (Number.isSafeInteger(seq) && Number(seq) >= 0) return { afterSeq: Number(seq) };
  const time = isoTime.safeParse(given);
  if (time.success) return { fromTime: Date.parse(time.data) };
  context.addIssue({ code: "custom", message: SINCE_ALLOWED, input: given });
  return z.NEVER;
});
const joinRequest = leaveRequest.extend({ since: since.optional() });

/** Clients that cannot leave a field out send it empty. */
function emptyAsLeftOut<Output>(schema: z.ZodType<Output>) {
  return z.preprocess((given) => (given === "" ? undefined : given), schema.optional());
}

const handshake = z.object(
  {
    clientId: emptyAsLeftOut(clientName),
    token: emptyAsLeftOut(textUpTo(MAX_TOKEN_LENGTH)),
    session: emptyAsLeftOut(textUpTo(MAX_ID_LENGTH)),
  },
  MUST_BE_OBJECT,
);

/** Reads `auth` of the Socket.IO handshake. */
export function readHandshake(auth: unknown): Handshake {
  return read(handshake, auth ?? {}, "auth");
}

export function requestReader(limits: Pick<Limits, "maxBatch" | "maxPrefetch">): RequestReader {
  const { maxBatch, maxPrefetch } = limits;
  const consumeRequest = cancelRequest.extend({ prefetch: wholeNumber(1, maxPrefetch).optional() });
  const deliveriesAllowed = `must be a list of 1 to ${maxBatch} {id, attempt}`;
  const ackRequest = cancelRequest.extend({
    deliveries: z
      .array(
        z.object({ id: messageId, attempt: wholeNumber(1, Number.MAX_SAFE_INTEGER) }, MUST_BE_OBJECT),
        deliveriesAllowed,
      )
      .min(1, deliveriesAllowed)
      .max(maxBatch, deliveriesAllowed),
  });
  const nackRequest = ackRequest.extend({
    delayMs: wholeNumber(0, MAX_DELAY_MS, " (milliseconds)").optional(),
    reason: textUpTo(MAX_REASON_LENGTH).optional(),
    dead: z.boolean("must be true or false").optional(),
  });
  const extendRequest = ackRequest.extend({
    leaseMs: wholeNumber(MIN_EXTENSION_MS, MAX_EXTENSION_MS, " (milliseconds)"),
  });
  const deadRequest = z.object(
    {
      queue: queueName,
      limit: wholeNumber(1, maxBatch).default(Math.min(DEFAULT_DEAD_LIMIT, maxBatch)),
      afterSeq: wholeNumber(0, Number.MAX_SAFE_INTEGER).default(0),
    },
    MUST_BE_OBJECT,
  );
  const idsAllowed = `must be a list of 1 to ${maxBatch} ids`;
  const deadSelection = z.object(
    { queue: queueName, ids: z.array(messageId, idsAllowed).min(1, idsAllowed).max(maxBatch, idsAllowed).optional() },
    MUST_BE_OBJECT,
  );
  const batchAllowed = `must be a list of 1 to ${maxBatch} messages`;
  const batch = z.array(z.unknown(), batchAllowed).min(1, batchAllowed).max(maxBatch, batchAllowed);

  return {
    publish(argument) {
      if (!isBatch(argument))
        return { batch: false, messages: [{ message: read(publishMessage, argument, "message") }] };
      const messages = read(batch, argument.messages, "list", "messages");
      return { batch: true, messages: messages.map(readOne) };
    },
    consume: (argument) => read(consumeRequest, argument ?? {}, "request"),
    cancel: (argument) => read(cancelRequest, argument ?? {}, "request"),
    ack: (argument) => read(ackRequest, argument, "request"),
    nack: (argument) => read(nackRequest, argument, "request"),
    extend: (argument) => read(extendRequest, argument, "request"),
    join: (argument) => read(joinRequest, argument, "request"),
    leave: (argument) => read(leaveRequest, argument, "request"),
    dead: (argument) => read(deadRequest, argument, "request"),
    deadSelection: (argument) => read(deadSelection, argument, "request"),
  };
}

function isBatch(argument: unknown): argument is { messages: unknown } {
  return typeof argument === "object" && argument !== null && "messages" in argument;
}

/** One bad message of a batch is its own loss only. */
function readOne(given: unknown): ReadMessage {
  const parsed = publishMessage.safeParse(given);
  if (parsed.success) return { message: parsed.data };
  const id = messageId.safeParse(valueAt(given, ["id"]));
  return { id: id.data, error: refusal(parsed.error.issues, given, "message", "").toWire() };
}

/** `whole` is what the value is called where no field of it is at fault, `prefix` the path that led to it. */
function read<Output>(schema: z.ZodType<Output>, given: unknown, whole: string, prefix = ""): Output {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw refusal(parsed.error.issues, given, whole, prefix);
}

/** The first issue in words. */
function refusal(issues: readonly z.core.$ZodIssue[], given: unknown, whole: string, prefix: string): WaybillError {
  const issue = issues[0];
  if (issue === undefined) return new WaybillError("INVALID", `The ${whole} is malformed.`);
  const field = pathText(prefix, issue.path).slice(0, MAX_GIVEN_LENGTH) || `The ${whole}`;
  const tooLarge = issue.code === "too_big" && issue.origin !== "number" && issue.origin !== "int";
  const shown = describeGiven(valueAt(given, issue.path), issue);
  return new WaybillError(tooLarge ? "TOO_LARGE" : "INVALID", `${field} ${issue.message}; given: ${shown}.`);
}

function pathText(prefix: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? String(step) : `${text}.${String(step)}`;
  }, prefix);
}

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  let value = given;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Object.getOwnPropertyDescriptor(value, step)?.value;
  }
  return value;
}

function describeGiven(value: unknown, issue: z.core.$ZodIssue): string {
  if (value === undefined) return "nothing";
  if (issue.code === "too_big") {
    if (typeof value === "string") return `${value.length} characters`;
    if (Array.isArray(value)) return `${value.length}`;
  }
  if (typeof value === "object" && value !== null) {
    if (Array.isArray(value)) return `a list of ${value.length}`;
    return `an object with ${Object.keys(value).slice(0, 8).join(", ") || "nothing in it"}`.slice(0, MAX_GIVEN_LENGTH);
  }
  const text = String(JSON.stringify(value));
  return text.length > MAX_GIVEN_LENGTH ? `${text.slice(0, MAX_GIVEN_LENGTH)}…` : text;
}
