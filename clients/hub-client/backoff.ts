/** Bounds of a wait that doubles, in milliseconds. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** For what the hub refused for now: short at first, since most such refusals pass within a few commits. */
export const RETRY_BACKOFF: Backoff = { firstMs: 50, maxMs: 2_000 };

/** Milliseconds before this attempt (1 for the first), with jitter so that clients cut together do not come back together. */
export function backoffDelay(attempt: number, { firstMs, maxMs }: Backoff): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 30));
  return ceiling / 2 + (Math.random() * ceiling) / 2;
}
