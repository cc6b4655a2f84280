import { reasonOf } from "../../src/protocol/errors";
import { MAX_DELAY_MS } from "../../src/protocol/wire";

/** Characters of a failure's reason that are worth sending. */
const MAX_REASON_LENGTH = 500;

export interface NackOptions {
  /** Milliseconds before the next attempt, at most a year; the hub's backoff where it is left out. */
  delayMs?: number;
  /** Why, for the dead letter and the hub's log. */
  reason?: string;
  /** True: no further attempt, a dead letter now. */
  dead?: boolean;
  /** True: back in its place at once, and not counted as a failure, since nothing was begun. Alone, without the others. */
  release?: boolean;
}

/** Thrown by a handler that wants a say in what becomes of the message it does not take. */
export class Nack extends Error {
  readonly options: NackOptions;

  constructor(options: NackOptions = {}) {
    // A program without types gives the error itself as the reason, or null for none.
    const given: unknown = options.reason ?? undefined;
    const reason = given === undefined ? undefined : reasonOf(given);
    super(reason ?? "The handler gave the message back.");
    this.name = "Nack";
    this.options = { ...options, reason };
  }
}

/** Of whatever was thrown. Where this failed, nobody would settle the delivery, and its place would be taken for good. */
export function nackFor(error: unknown): NackOptions {
  try {
    if (error instanceof Nack) return readOptions(error.options);
  } catch {
    // A proxy that was revoked, or options that somebody has put in the place of the Nack's own.
  }
  return { reason: shortened(reasonOf(error)) };
}

/** As the hub takes them, also from a program without types: what is refused stays out until its lease ends. */
function readOptions({ delayMs, reason, dead, release }: NackOptions): NackOptions {
  const nack: NackOptions = { delayMs: readDelay(delayMs), reason: reason && shortened(reason) };
  if (dead) return { ...nack, dead: true };
  return release && nack.delayMs === undefined ? { release: true } : nack;
}

/** @returns whole milliseconds; undefined for what is no number. */
function readDelay(given: unknown): number | undefined {
  const delayMs = Math.round(Number.parseFloat(String(given)));
  return Number.isNaN(delayMs) ? undefined : Math.min(Math.max(delayMs, 0), MAX_DELAY_MS);
}

function shortened(reason: string): string {
  return reason.slice(0, MAX_REASON_LENGTH);
}
