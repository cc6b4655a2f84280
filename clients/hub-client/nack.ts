import { reasonOf } from "../../src/protocol/errors";

export interface NackOptions {
  /** Milliseconds before the next attempt; the hub's backoff where it is left out. */
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
