/**
 * Reads what clients send: `unknown` goes in, a typed request comes out, or a `WaybillError` whose message names the
 * field, what is allowed there and what was given. The one place where the shapes of `wire.ts` are checked.
 *
 * Fields that the protocol does not know are ignored, so that a newer client can talk to an older hub.
 */
import { z } from "zod";
import { WaybillError, type WireError } from "./errors";
import {
  clientName,
  emptyAsLeftOut,
  headers,
  idList,
  MAX_EVENT_LENGTH,
  MAX_GROUP_LENGTH,
  MAX_ID_LENGTH,
  MAX_REASON_LENGTH,
  messageId,
  MUST_BE_OBJECT,
  printable,
  queueName,
  roomName,
  since,
  someText,
  textUpTo,
  time,
  timeText,
  wholeNumber,
  yesOrNo,
  type ReadSince,
} from "./fields";
import { isPlainAck, isPlainMessage } from "./plain-requests";
import {
  DEAD_REASONS,
  MAX_DELAY_MS,
  type AckRequest,
  type CancelRequest,
  type ConsumeRequest,
  type DeadReason,
  type ExtendRequest,
  type Handshake,
  type LeaveRequest,
  type Limits,
  type NackRequest,
  type PublishMessage,
  type WhyRequest,
} from "./wire";

export const MIN_EXTENSION_MS = 1_000;
/** An hour: a consumer that needs longer says so again, so that one that is stuck is noticed. */
export const MAX_EXTENSION_MS = 60 * 60 * 1000;
/** Past it a rate is none: the hub makes them ready all at once. */
export const MAX_REDRIVES_PER_SECOND = 100_000;
const DEFAULT_DEAD_LIMIT = 100;
const MAX_TOKEN_LENGTH = 8_192;
const MAX_GIVEN_LENGTH = 60;

/** A message of a list that is refused on its own. */
export interface RefusedMessage {
  /** Where in the list it stands. */
  readonly place: number;
  readonly id?: string;
  readonly error: WireError;
}

export interface ReadPublish {
  /** Whether the messages came as a list: then each has a result of its own, also when it is refused. */
  readonly batch: boolean;
  /** Those that could be read, in order. */
  readonly messages: readonly PublishMessage[];
  /** The others, in order. */
  readonly refused: readonly RefusedMessage[];
}

export interface ReadJoin {
  readonly room: string;
  readonly client?: string;
  readonly since?: ReadSince;
}

/** Which dead letters of a queue: those that meet every condition given. Times are milliseconds since the epoch. */
export interface ReadSelection {
  readonly ids?: readonly string[];
  readonly event?: string;
  readonly group?: string;
  readonly reason?: DeadReason;
  readonly error?: string;
  readonly diedFrom?: number;
  readonly diedUntil?: number;
  readonly limit?: number;
}

export interface ReadDead {
  readonly queue: string;
  readonly selection: ReadSelection;
  /** Dead letters of one page, at most. */
  readonly limit: number;
  readonly afterSeq: number;
}

export interface ReadPurge {
  readonly queue: string;
  readonly selection: ReadSelection;
}

export interface ReadRedrive extends ReadPurge {
  readonly perSecond?: number;
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
  dead(argument: unknown): ReadDead;
  redrive(argument: unknown): ReadRedrive;
  purge(argument: unknown): ReadPurge;
  why(argument: unknown): WhyRequest;
}

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
      deliverAt: timeText.optional(),
      ttlMs: wholeNumber(1, MAX_DELAY_MS, " (milliseconds)").optional(),
      headers: headers.optional(),
    },
    MUST_BE_OBJECT,
  )
  .refine(
    ({ queue, room, client }) =>
      Number(queue !== undefined) + Number(room !== undefined) + Number(client !== undefined) === 1,
    "must name exactly one of queue, room and client",
  )
  .refine(
    ({ delayMs, deliverAt }) => delayMs === undefined || deliverAt === undefined,
    "must have delayMs or deliverAt, not both",
  );

const cancelRequest = z.object({ queue: queueName.optional() }, MUST_BE_OBJECT);
const leaveRequest = z.object({ room: roomName, client: clientName.optional() }, MUST_BE_OBJECT);

const joinRequest = leaveRequest.extend({ since: since.optional() });

const whyRequest = z.object({ id: messageId, queue: queueName.optional() }, MUST_BE_OBJECT);
const deadReason = z.enum(DEAD_REASONS, `must be one of ${DEAD_REASONS.join(", ")}`);

const handshake = z.object(
  {
    clientId: emptyAsLeftOut(clientName),
    token: emptyAsLeftOut(textUpTo(MAX_TOKEN_LENGTH)),
    session: emptyAsLeftOut(textUpTo(MAX_ID_LENGTH)),
    together: emptyAsLeftOut(yesOrNo),
    brief: emptyAsLeftOut(yesOrNo),
  },
  MUST_BE_OBJECT,
);

/** Reads `auth` of the Socket.IO handshake. */
export function readHandshake(auth: unknown): Handshake {
  return read(handshake, auth ?? {}, "auth");
}

export function requestReader(limits: Pick<Limits, "maxBatch" | "maxPrefetch">): RequestReader {
  const { maxBatch, maxPrefetch } = limits;
  const consumeRequest = cancelRequest.extend({
    prefetch: wholeNumber(1, maxPrefetch).optional(),
    exclusive: yesOrNo.optional(),
  });
  const deliveriesAllowed = `must be a list of 1 to ${maxBatch} {id, attempt}`;
  const ackRequest = cancelRequest.extend({
    deliveries: z
      .array(
        z.object(
          { id: messageId, attempt: wholeNumber(1, Number.MAX_SAFE_INTEGER), queue: queueName.optional() },
          MUST_BE_OBJECT,
        ),
        deliveriesAllowed,
      )
      .min(1, deliveriesAllowed)
      .max(maxBatch, deliveriesAllowed),
  });
  const nackRequest = ackRequest
    .extend({
      delayMs: wholeNumber(0, MAX_DELAY_MS, " (milliseconds)").optional(),
      reason: textUpTo(MAX_REASON_LENGTH).optional(),
      dead: yesOrNo.optional(),
      release: yesOrNo.optional(),
    })
    .refine(
      ({ delayMs, reason, dead, release }) =>
        release !== true || (delayMs === undefined && reason === undefined && dead !== true),
      "must have release alone, without delayMs, reason and dead",
    );
  const extendRequest = ackRequest.extend({
    leaseMs: wholeNumber(MIN_EXTENSION_MS, MAX_EXTENSION_MS, " (milliseconds)"),
  });
  const conditions = {
    queue: queueName,
    ids: idList(maxBatch).optional(),
    event: printable(MAX_EVENT_LENGTH).optional(),
    group: printable(MAX_GROUP_LENGTH).optional(),
    reason: deadReason.optional(),
    error: someText(MAX_REASON_LENGTH).optional(),
    diedFrom: time.optional(),
    diedUntil: time.optional(),
  };
  const deadRequest = z
    .object(
      {
        ...conditions,
        limit: wholeNumber(1, maxBatch).default(Math.min(DEFAULT_DEAD_LIMIT, maxBatch)),
        afterSeq: wholeNumber(0, Number.MAX_SAFE_INTEGER).default(0),
      },
      MUST_BE_OBJECT,
    )
    .transform(({ queue, limit, afterSeq, ...selection }): ReadDead => ({ queue, selection, limit, afterSeq }));
  const purgeFields = { ...conditions, max: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional() };
  const purgeRequest = z.strictObject(purgeFields, noOthers).transform(readPurge);
  const redriveRequest = z
    .strictObject({ ...purgeFields, perSecond: wholeNumber(1, MAX_REDRIVES_PER_SECOND).optional() }, noOthers)
    .transform(({ perSecond, ...rest }): ReadRedrive => ({ ...readPurge(rest), perSecond }));
  const batchAllowed = `must be a list of 1 to ${maxBatch} messages`;
  const batch = z.array(z.unknown(), batchAllowed).min(1, batchAllowed).max(maxBatch, batchAllowed);

  return {
    publish(argument) {
      if (isBatch(argument)) return readList(read(batch, argument.messages, "list", "messages"));
      const message = isPlainMessage(argument) ? argument : read(publishMessage, argument, "message");
      return { batch: false, messages: [message], refused: [] };
    },
    consume: (argument) => read(consumeRequest, argument ?? {}, "request"),
    cancel: (argument) => read(cancelRequest, argument ?? {}, "request"),
    ack: (argument) => (isPlainAck(argument, maxBatch) ? argument : read(ackRequest, argument, "request")),
    nack: (argument) => read(nackRequest, argument, "request"),
    extend: (argument) => read(extendRequest, argument, "request"),
    join: (argument) => read(joinRequest, argument, "request"),
    leave: (argument) => read(leaveRequest, argument, "request"),
    dead: (argument) => read(deadRequest, argument, "request"),
    redrive: (argument) => read(redriveRequest, argument, "request"),
    purge: (argument) => read(purgeRequest, argument, "request"),
    why: (argument) => read(whyRequest, argument, "request"),
  };
}

/** A condition that is misspelt, or that this hub does not know yet, must not come to mean every dead letter. */
const noOthers = {
  error: (issue: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidType | z.core.$ZodIssueUnrecognizedKeys>): string => {
    if (issue.code !== "unrecognized_keys") return MUST_BE_OBJECT;
    return `must not have the field ${issue.keys.slice(0, 8).join(", ").slice(0, MAX_GIVEN_LENGTH)}`;
  },
};

/** `max` is the selection's limit; it has another name on the wire, where `limit` is a page's. */
function readPurge({ queue, max, ...selection }: { queue: string; max?: number } & ReadSelection): ReadPurge {
  return { queue, selection: max === undefined ? selection : { ...selection, limit: max } };
}

function isBatch(argument: unknown): argument is { messages: unknown } {
  return typeof argument === "object" && argument !== null && "messages" in argument;
}

/** One bad message of a list is its own loss only. */
function readList(list: readonly unknown[]): ReadPublish {
  if (list.every(isPlainMessage)) return { batch: true, messages: list, refused: NONE_REFUSED };
  const messages: PublishMessage[] = [];
  const refused: RefusedMessage[] = [];
  for (const [place, given] of list.entries()) {
    const parsed = publishMessage.safeParse(given);
    if (parsed.success) {
      messages.push(parsed.data);
      continue;
    }
    const id = messageId.safeParse(valueAt(given, ["id"]));
    refused.push({ place, id: id.data, error: refusal(parsed.error.issues, given, "message", "").toWire() });
  }
  return { batch: true, messages, refused };
}

const NONE_REFUSED: readonly RefusedMessage[] = [];

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
