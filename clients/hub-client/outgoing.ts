import { WaybillError } from "../../src/protocol/errors";
import { inboxOf, roomTarget } from "../../src/protocol/names";
import { MAX_NESTING } from "../../src/protocol/nesting";
import type { PublishMessage } from "../../src/protocol/wire";

/** A message as it travels, with what the outbox needs to know of it. */
export interface Outgoing {
  readonly id: string;
  /** Queue, inbox or room that it goes to, as one name. */
  readonly target: string;
  /** The message as JSON. */
  readonly json: string;
}

/**
 * Writes out what a caller wants published: what becomes of the payload afterwards changes nothing.
 *
 * @throws WaybillError `INVALID` that names the field.
 */
export function writeOutgoing(message: PublishMessage, nextId: () => string): Outgoing {
  try {
    return write(message, nextId);
  } catch (error) {
    if (error instanceof WaybillError) throw error;
    // A getter, a toJSON or a proxy that throws.
    throw new WaybillError("INVALID", "The message cannot be written as JSON.", { cause: error });
  }
}

function write(message: PublishMessage, nextId: () => string): Outgoing {
  const target = targetOf(message);
  if (typeof message.event !== "string" || message.event === "") throw invalid("event must be a non-empty string.");
  if (message.id !== undefined && (typeof message.id !== "string" || message.id === "")) {
    throw invalid("id must be a non-empty string where it is given.");
  }
  refuseWhatJsonLacks(message.payload, 1);
  const id = message.id ?? nextId();
  // Written out, not spread: one shape for all makes serialising twice as fast, and absent fields do not travel.
  const copy = {
    id,
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
  return { id, target, json: JSON.stringify(copy) };
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

/**
 * JSON would write bytes as something else, and say of the others no more than that it cannot.
 *
 * @param depth of the lists and objects around it, and itself. What is nested deeper than the hub takes may hold itself.
 */
function refuseWhatJsonLacks(value: unknown, depth: number): void {
  if (typeof value === "bigint") throw invalid("payload holds a bigint, which JSON cannot carry.");
  if (typeof value !== "object" || value === null) return;
  if (depth > MAX_NESTING) throw invalid(`payload is nested deeper than ${MAX_NESTING}, or holds itself.`);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    throw invalid("payload holds binary data, which JSON cannot carry: encode it as text.");
  }
  if (Array.isArray(value)) {
    for (const item of value) refuseWhatJsonLacks(item, depth + 1);
    return;
  }
  if (hasToJSON(value)) return;
  const fields = value as Record<string, unknown>;
  for (const name in fields) refuseWhatJsonLacks(fields[name], depth + 1);
}

function hasToJSON(value: object): value is { toJSON(): unknown } {
  return "toJSON" in value && typeof value.toJSON === "function";
}

function invalid(message: string): WaybillError {
  return new WaybillError("INVALID", message);
}
