/**
 * Every error that the hub can answer: its code, what causes it, and whether the same request may succeed later.
 * `docs/protocol.md` prints the same table; a test holds the two equal.
 */
export const ERRORS = {
  INVALID: { cause: "The request is malformed; the message names the field.", retryable: false },
  UNAUTHENTICATED: { cause: "The token or the stated clientId is missing, wrong or expired.", retryable: false },
  FORBIDDEN: { cause: "The identity does not allow this queue, room, namespace or request.", retryable: false },
  UNKNOWN_EVENT: { cause: "The hub has no such request.", retryable: false },
  TOO_LARGE: { cause: "A payload, batch or name is over its limit; the message names the limit.", retryable: false },
  LIMIT_REACHED: {
    cause: "This client or namespace has as many connections, queues, rooms or consumers as it may.",
    retryable: false,
  },
  QUEUE_FULL: { cause: "The queue holds as many messages, or bytes, as it may.", retryable: true },
  RATE_LIMITED: {
    cause: "This client publishes faster than it may, or more is waiting to be done than the hub takes on.",
    retryable: true,
  },
  LEASE_LOST: {
    cause: "This connection does not hold that delivery, or no longer for that attempt.",
    retryable: false,
  },
  STORE_UNAVAILABLE: {
    cause: "The store did not take the write; if it says that it is gone, it may have taken it.",
    retryable: true,
  },
  DISK_FULL: {
    cause: "The disk is nearly full: publishes are refused until there is space; acks go on.",
    retryable: true,
  },
  DRAINING: { cause: "The hub is going down in order; reconnect and send it again.", retryable: true },
  INTERNAL: { cause: "A fault in the hub; its log has the details.", retryable: true },
} as const satisfies Record<string, { cause: string; retryable: boolean }>;

export type ErrorCode = keyof typeof ERRORS;

/** An error as it travels: the `error` of a refused reply, of one result in a batch, or of a failed connect. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  /** True when the same request, sent again later with the same ids, may succeed. */
  readonly retryable: boolean;
}

/** An operation's failure with its place in the table. Thrown by the queue core and the client library alike. */
export class WaybillError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "WaybillError";
    this.code = code;
    this.retryable = ERRORS[code].retryable;
  }

  /** The error as the wire carries it: no stack, no cause. */
  toWire(): WireError {
    return { code: this.code, message: this.message, retryable: this.retryable };
  }

  static fromWire(error: WireError): WaybillError {
    return new WaybillError(error.code in ERRORS ? error.code : "INTERNAL", error.message);
  }
}

/** What a thrown value says, for messages and logs. Whatever it is: this does not throw in its turn. */
export function reasonOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    // Without a prototype, or with a text of its own that fails.
    return "something that cannot be written as text";
  }
}

/** The error as the wire carries it, whatever was thrown: an unexpected one becomes `INTERNAL` without its details. */
export function toWireError(error: unknown): WireError {
  if (error instanceof WaybillError) return error.toWire();
  return new WaybillError("INTERNAL", "The hub failed to handle this request.").toWire();
}
