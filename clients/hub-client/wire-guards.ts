/**
 * Whether what arrived is what the protocol says, as far as the client relies on it. The hub is trusted with values,
 * not with shapes: something else that answers on its port must not crash the client.
 */
import { ERRORS, WaybillError, type ErrorCode, type WireError } from "../../src/protocol/errors";
import {
  PROTOCOL_VERSION,
  type DeliveredMessage,
  type DeliveryRef,
  type Refused,
  type Revoked,
  type SettleReply,
  type Welcome,
} from "../../src/protocol/wire";

type Fields = Record<string, unknown>;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

export function isWireError(value: unknown): value is WireError {
  return isFields(value) && typeof value.code === "string" && typeof value.message === "string";
}

/** Whether sending it again later can help. A newer hub may use a code that this client's table lacks: it also says. */
export function isRetryable(error: WireError): boolean {
  return error.code in ERRORS ? ERRORS[error.code].retryable : error.retryable;
}

/** @returns what is wrong with a welcome, or undefined. */
export function welcomeFault(value: unknown): string | undefined {
  if (!isFields(value)) return "the welcome is not an object";
  if (value.protocol !== PROTOCOL_VERSION) {
    return `the hub speaks protocol ${String(value.protocol)}, this client ${PROTOCOL_VERSION}`;
  }
  for (const name of ["clientId", "session"]) {
    if (typeof value[name] !== "string") return `${name} of the welcome is not a string`;
  }
  const { limits } = value;
  if (!isFields(limits)) return "the welcome has no limits";
  for (const name of ["maxPayloadBytes", "maxBatch", "maxPacketBytes", "maxPrefetch"]) {
    if (!(Number(limits[name]) >= 1)) return `${name} of the welcome is not a number of at least 1`;
  }
  return undefined;
}

/** To be called only after `welcomeFault` found nothing. */
export function asWelcome(value: unknown): Welcome {
  return value as Welcome;
}

/** What the hub has against the settlement at this place of a request, if anything. */
export function settleErrorAt(reply: SettleReply, index: number): WireError | undefined {
  if (!reply.ok) return reply.error;
  if ("all" in reply) return undefined;
  const result: unknown = reply.results[index];
  if (!isFields(result)) return NO_RESULT;
  if (isWireError(result.error)) return result.error;
  return typeof result.status === "string" ? undefined : NO_RESULT;
}

const NO_RESULT: WireError = new WaybillError("INTERNAL", "The hub's reply has no result for this delivery.").toWire();

export function isBatch(value: unknown): value is { queue: string; messages: unknown[] } {
  return isFields(value) && typeof value.queue === "string" && Array.isArray(value.messages);
}

export function isDelivered(value: unknown): value is DeliveredMessage {
  return (
    isFields(value) &&
    typeof value.id === "string" &&
    typeof value.seq === "number" &&
    typeof value.event === "string" &&
    typeof value.attempt === "number" &&
    typeof value.leaseMs === "number"
  );
}

export function isRevoked(value: unknown): value is Revoked {
  return (
    isFields(value) &&
    typeof value.queue === "string" &&
    Array.isArray(value.deliveries) &&
    value.deliveries.every((ref: unknown): ref is DeliveryRef => isFields(ref) && typeof ref.id === "string")
  );
}

/** A `refused` event about something that the hub sent and that cannot be understood. */
export function misunderstood(event: string, message: string): Refused {
  return { event, error: new WaybillError("INVALID", message).toWire() };
}

/**
 * Whether a refused connect may pass on another attempt. `LIMIT_REACHED` does: what takes up the room is often this
 * client's own former connection, whose end the hub has not noticed yet.
 */
export function mayConnectLater(refusal: WireError): boolean {
  return isRetryable(refusal) || refusal.code === "LIMIT_REACHED";
}

/**
 * The error that a connect was refused with, if the hub refused it; else it is the network's and says nothing for good.
 *
 * @param namespace the one that was asked for, of the hub at `url`.
 */
export function connectRefusal(
  error: Error & { data?: unknown },
  url: string,
  namespace: string,
): WireError | undefined {
  if (isWireError(error.data)) return error.data;
  // Socket.IO's own words.
  if (error.message !== "Invalid namespace") return undefined;
  const code: ErrorCode = "FORBIDDEN";
  return { code, message: `The hub at ${url} has no namespace ${namespace}.`, retryable: false };
}
