import { WaybillError } from "../../src/protocol/errors";
import { inboxOf, roomTarget } from "../../src/protocol/names";
import type { PublishMessage } from "../../src/protocol/wire";

/** A payload nested deeper is taken for one that holds itself. */
const MAX_DEPTH = 256;
/** JSON's quotes, colon and comma around a field. */
const FIELD_OVERHEAD = 4;
/** Characters counted for a number, boolean or null. */
const SCALAR_SIZE = 8;
/** Bytes that one counted character can be as JSON in UTF-8: an escaped control character. */
export const MAX_BYTES_PER_CHARACTER = 6;

/** A message as it travels, with what the outbox needs to know of it. */
export interface Outgoing {
  readonly message: PublishMessage & { id: string };
  /** Queue, inbox or room that it goes to, as one name. */
  readonly target: string;
  /** Characters as JSON, nearly: at least a `MAX_BYTES_PER_CHARACTER`th of the bytes. */
  readonly size: number;
}

/**
 * Reads what a caller wants published. The envelope is copied, the payload is not.
 *
 * @throws WaybillError `INVALID` that names the field.
 */
export function readOutgoing(message: PublishMessage, nextId: () => string): Outgoing {
  const target = targetOf(message);
  if (typeof message.event !== "string" || message.event === "") throw invalid("event must be a non-empty string.");
  if (message.id !== undefined && (typeof message.id !== "string" || message.id === "")) {
    throw invalid("id must be a non-empty string where it is given.");
  }
  // Written out, not spread: one shape for all makes serialising twice as fast, and absent fields do not travel.
  const copy = {
    id: message.id ?? nextId(),
    queue: message.queue,
    room: message.room,
    client: message.client,
    event: message.event,
    payload: message.payload ?? null,
    priority: message.priority,
    group: message.group,
    delayMs: message.delayMs,
    deliverAt: message.deliverAt,
    ttlMs: message.ttlMs,
    headers: message.headers,
  };
  return { message: copy, target, size: sizeAsJson(copy, 0) };
}

function targetOf({ queue, room, client }: PublishMessage): string {
  const given = Number(queue !== undefined) + Number(room !== undefined) + Number(client !== undefined);
  if (given !== 1) throw invalid("exactly one of queue, room and client must be given.");
  if (queue !== undefined) return readName("queue", queue);
  return room !== undefined ? roomTarget(readName("room", room)) : inboxOf(readName("client", client));
}

function readName(field: string, name: unknown): string {
  if (typeof name !== "string" || name === "") throw invalid(`${field} must be a non-empty string.`);
  return name;
}

/** Counts without serialising: a tenth of the cost, and Socket.IO serialises it later anyhow. */
function sizeAsJson(value: unknown, depth: number): number {
  if (typeof value === "string") return value.length + FIELD_OVERHEAD;
  if (typeof value === "bigint") throw invalid("payload holds a bigint, which JSON cannot carry.");
  if (typeof value !== "object" || value === null) return SCALAR_SIZE;
  if (depth > MAX_DEPTH) throw invalid(`payload is nested deeper than ${MAX_DEPTH}, or holds itself.`);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    throw invalid("payload holds binary data, which JSON cannot carry: encode it as text.");
  }
  let size = FIELD_OVERHEAD;
  if (Array.isArray(value)) {
    for (const item of value) size += sizeAsJson(item, depth + 1);
    return size;
  }
  const fields = value as Record<string, unknown>;
  if (hasToJSON(fields)) return sizeAsJson(fields.toJSON(), depth + 1);
  for (const name in fields) {
    if (fields[name] !== undefined) size += name.length + FIELD_OVERHEAD + sizeAsJson(fields[name], depth + 1);
  }
  return size;
}

function hasToJSON(value: object): value is { toJSON(): unknown } {
  return "toJSON" in value && typeof value.toJSON === "function";
}

/** Bytes of a message as JSON in UTF-8, exactly. */
export function bytesAsJson(message: PublishMessage): number {
  return new TextEncoder().encode(JSON.stringify(message)).length;
}

function invalid(message: string): WaybillError {
  return new WaybillError("INVALID", message);
}
