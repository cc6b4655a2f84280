import type { Message } from "./message";
import type { Settlement } from "./store";

/** How failed deliveries are tried again. */
export interface RetryPolicy {
  /** Failures after which a message is dead. */
  readonly maxAttempts: number;
  /** Milliseconds before the second attempt; doubled for each further one. */
  readonly backoffMs: number;
  /** Milliseconds that the backoff never exceeds. */
  readonly backoffMaxMs: number;
}

/** What a consumer said when it gave a delivery back. */
export interface Nack {
  readonly delayMs?: number;
  readonly reason?: string;
  readonly dead?: boolean;
  /** It was not begun: nothing has failed. */
  readonly release?: boolean;
}

/** Back to its queue as it came: nobody has failed at it. */
export const RELEASE: Settlement = { action: "retry", dueAt: undefined, error: undefined };

/** A consumer's nack: as it came, or dead when it says so or when no attempt is left, else again after its delay or the backoff. */
export function settleNack(
  message: Message,
  nack: Nack,
  policy: RetryPolicy,
  now: number,
  random: () => number,
): Settlement {
  if (nack.release === true) return RELEASE;
  const error = nack.reason ?? "refused by its consumer";
  if (nack.dead === true) return { action: "dead", reason: "refused", error };
  const failures = message.failures + 1;
  if (failures >= policy.maxAttempts) return { action: "dead", reason: "attempts", error };
  const delayMs = nack.delayMs ?? backoffDelay(failures, policy, random);
  return { action: "retry", dueAt: delayMs > 0 ? now + delayMs : undefined, error };
}

/** A lease that ran out: its consumer is stuck, so the next attempt waits as after a nack. */
export function settleLapsed(message: Message, policy: RetryPolicy, now: number, random: () => number): Settlement {
  return settleNack(message, { reason: "its lease ran out" }, policy, now, random);
}

/** A holder that went for good: the message is ready for the next one at once. */
export function settleAbandoned(message: Message, policy: RetryPolicy): Settlement {
  const error = "its consumer went away";
  if (message.failures + 1 >= policy.maxAttempts) return { action: "dead", reason: "attempts", error };
  return { action: "retry", dueAt: undefined, error };
}

/** Exponential, with full jitter over its upper half, so that what failed together is not tried again together. */
export function backoffDelay(failures: number, policy: RetryPolicy, random: () => number): number {
  const ceiling = Math.min(policy.backoffMaxMs, policy.backoffMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
}
