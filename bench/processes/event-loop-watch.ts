const TICK_MS = 1;

/** How long something that becomes due at any moment waits for the event loop, in milliseconds. */
export interface EventLoopDelay {
  readonly loopP99: number;
  readonly loopMax: number;
}

/**
 * Watches the event loop by a timer of 1 ms. What counts is the wait at a random moment: a loop that stands still for
 * 100 ms of each second keeps a tenth of all arrivals waiting, though it is late for one tick in a thousand only.
 */
export class EventLoopWatch {
  private readonly gaps: number[] = [];
  private timer: NodeJS.Timeout | undefined;

  /** Forgets what was before. */
  start(): void {
    clearInterval(this.timer);
    this.gaps.length = 0;
    let last = performance.now();
    this.timer = setInterval(() => {
      const now = performance.now();
      this.gaps.push(Math.max(0, now - last - TICK_MS));
      last = now;
    }, TICK_MS);
  }

  /** Since `start`, and ends it. NaN where it was not started. */
  stop(): EventLoopDelay {
    clearInterval(this.timer);
    const sorted = this.gaps.sort((a, b) => b - a);
    const total = sorted.reduce((sum, gap) => sum + gap + TICK_MS, 0);
    return { loopP99: waitExceededFor(sorted, total * 0.01), loopMax: sorted[0] ?? NaN };
  }
}

/** The wait that arrivals during `share` milliseconds exceed. In a gap, arrivals wait from all of it down to nothing. */
function waitExceededFor(descending: readonly number[], share: number): number {
  let longer = 0;
  for (const [index, gap] of descending.entries()) {
    const count = index + 1;
    longer += gap;
    const wait = (longer - share) / count;
    if (wait >= (descending[count] ?? 0)) return wait;
  }
  return descending.length === 0 ? NaN : 0;
}
