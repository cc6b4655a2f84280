/**
 * What a field of a request may hold: the schemas that `requests.ts` is built of. Each refuses with words that say what
 * is allowed there.
 */
import { z } from "zod";
import { isName, isQueueName, MAX_NAME_LENGTH } from "./names";

export const MAX_ID_LENGTH = 128;
export const MAX_EVENT_LENGTH = 128;
export const MAX_GROUP_LENGTH = 128;
export const MAX_HEADERS = 32;
export const MAX_HEADER_LENGTH = 1024;
export const MAX_REASON_LENGTH = 1024;

// Texts that are stored and compared: a lone surrogate would come back from the disk as another character.
const PRINTABLE = /^[^\p{C}]+$/u;
const NUMERIC = /^-?\d+$/;

export function printable(maxLength: number): z.ZodString {
  const allowed = `must be 1 to ${maxLength} printable characters`;
  return z.string(allowed).min(1, allowed).max(maxLength, allowed).regex(PRINTABLE, allowed);
}

/** Any text but none. */
export function someText(maxLength: number): z.ZodString {
  const allowed = `must be 1 to ${maxLength} characters`;
  return z.string(allowed).min(1, allowed).max(maxLength, allowed);
}

export function textUpTo(maxLength: number): z.ZodString {
  const allowed = `must be a string of at most ${maxLength} characters`;
  return z.string(allowed).max(maxLength, allowed);
}

function name(what: string, isAllowed: (value: string) => boolean, maxLength: number) {
  const allowed = `must be ${what} (1 to ${MAX_NAME_LENGTH} characters, no control characters, ":" or "*")`;
  return z.string(allowed).max(maxLength, allowed).refine(isAllowed, allowed);
}

/** Some clients can only send strings, so a number may be written as one. */
export function wholeNumber(min: number, max: number, unit = ""): z.ZodType<number> {
  const allowed = `must be a whole number from ${min} to ${max}${unit}`;
  const bounded = z.int(allowed).min(min, allowed).max(max, allowed);
  return z.preprocess((given) => (typeof given === "string" && NUMERIC.test(given) ? Number(given) : given), bounded);
}

export const MUST_BE_OBJECT = "must be an object";

export const queueName = name("a queue's name, or @ and a client's", isQueueName, MAX_NAME_LENGTH + 1);
export const roomName = name("a room's name", isName, MAX_NAME_LENGTH);
export const clientName = name("a client's name", isName, MAX_NAME_LENGTH);
export const messageId = printable(MAX_ID_LENGTH);

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
export const headers = z
  .custom<unknown>(
    (given) => !Object.hasOwn(Object(given) as object, "__proto__"),
    'must not have an entry "__proto__"',
  )
  .pipe(headerEntries);

/** A time of day, as it was written. */
export const timeText = z.iso.datetime({
  offset: true,
  error: "must be an ISO time with its zone, such as 2026-01-31T12:00:00Z",
});

/** A time of day, in milliseconds since the epoch. */
export const time = timeText.transform((text) => Date.parse(text));

/** From where a room's history is wanted. */
export type ReadSince = { readonly afterSeq: number } | { readonly fromTime: number } | "all";

const SINCE_ALLOWED = 'must be a seq, an ISO time with its zone or "all"';
export const since = z.unknown().transform((given, context): ReadSince => {
  if (given === "all") return "all";
  const seq = typeof given === "string" && NUMERIC.test(given) ? Number(given) : given;
  if (Number.isSafeInteger(seq) && Number(seq) >= 0) return { afterSeq: Number(seq) };
  const fromTime = time.safeParse(given);
  if (fromTime.success) return { fromTime: fromTime.data };
  context.addIssue({ code: "custom", message: SINCE_ALLOWED, input: given });
  return z.NEVER;
});

export const yesOrNo = z.boolean("must be true or false");

/** A list of 1 to `maxBatch` ids. */
export function idList(maxBatch: number): z.ZodType<string[]> {
  const allowed = `must be a list of 1 to ${maxBatch} ids`;
  return z.array(messageId, allowed).min(1, allowed).max(maxBatch, allowed);
}

/** Clients that cannot leave a field out send it empty. */
export function emptyAsLeftOut<Output>(schema: z.ZodType<Output>): z.ZodType<Output | undefined> {
  return z.preprocess((given) => (given === "" ? undefined : given), schema.optional());
}
