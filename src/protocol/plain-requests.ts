/**
 * Recognises what nearly all requests look like, at a tenth of a schema's cost. A yes is only for what the schema of
 * `requests.ts` takes as it stands; all else is for the schema to read, or to refuse in words.
 */
import { MAX_EVENT_LENGTH, MAX_GROUP_LENGTH, MAX_ID_LENGTH } from "./fields";
import { isInbox, MAX_NAME_LENGTH } from "./names";
import type { AckRequest, PublishMessage, SettleRef } from "./wire";

const SPACE = 0x20;
const LAST_PRINTABLE = 0x7e;
const COLON = 0x3a;
const ASTERISK = 0x2a;

/** Whether this is a message for a queue or client, without delays, headers or any letter but those of English. */
export function isPlainMessage(given: unknown): given is PublishMessage {
  if (typeof given !== "object" || given === null) return false;
  const { id, queue, room, client, event, priority, group, delayMs, deliverAt, ttlMs, headers } = given as Record<
    string,
    unknown
  >;
  return (
    (id === undefined || isPlainText(id, MAX_ID_LENGTH)) &&
    isPlainText(event, MAX_EVENT_LENGTH) &&
    (queue === undefined ? isPlainName(client) : isPlainQueue(queue) && client === undefined) &&
    (priority === undefined || isPriority(priority)) &&
    (group === undefined || isPlainText(group, MAX_GROUP_LENGTH)) &&
    room === undefined &&
    delayMs === undefined &&
    deliverAt === undefined &&
    ttlMs === undefined &&
    headers === undefined
  );
}

/** Whether this is an `ack` of up to `maxBatch` deliveries. */
export function isPlainAck(given: unknown, maxBatch: number): given is AckRequest {
  if (typeof given !== "object" || given === null) return false;
  const { queue, deliveries } = given as Record<string, unknown>;
  if (queue !== undefined && !isPlainQueue(queue)) return false;
  if (!Array.isArray(deliveries) || deliveries.length === 0 || deliveries.length > maxBatch) return false;
  return deliveries.every(isPlainRef);
}

function isPlainRef(given: unknown): given is SettleRef {
  if (typeof given !== "object" || given === null) return false;
  const { id, attempt, queue } = given as Record<string, unknown>;
  return (
    isPlainText(id, MAX_ID_LENGTH) &&
    Number.isSafeInteger(attempt) &&
    (attempt as number) >= 1 &&
    (queue === undefined || isPlainQueue(queue))
  );
}

function isPriority(given: unknown): boolean {
  return Number.isInteger(given) && (given as number) >= 0 && (given as number) <= 9;
}

function isPlainText(given: unknown, maxLength: number): given is string {
  if (typeof given !== "string" || given.length === 0 || given.length > maxLength) return false;
  for (let at = 0; at < given.length; at++) {
    const code = given.charCodeAt(at);
    if (code < SPACE || code > LAST_PRINTABLE) return false;
  }
  return true;
}

function isPlainQueue(given: unknown): boolean {
  return typeof given === "string" && isPlainName(isInbox(given) ? given.slice(1) : given);
}

function isPlainName(given: unknown): boolean {
  if (typeof given !== "string" || given.length === 0 || given.length > MAX_NAME_LENGTH || isInbox(given)) return false;
  for (let at = 0; at < given.length; at++) {
    const code = given.charCodeAt(at);
    if (code < SPACE || code > LAST_PRINTABLE || code === COLON || code === ASTERISK) return false;
  }
  return given.charCodeAt(0) !== SPACE && given.charCodeAt(given.length - 1) !== SPACE;
}
