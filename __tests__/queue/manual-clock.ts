import type { Clock, Timer } from "../../src/queue/clock";

/** A clock that stands still until the test moves it. */
export class ManualClock implements Clock {
  private readonly timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  private elapsed = 0;
  /** How far the time of day has been set ahead of this clock. */
  private aheadMs = 0;

  constructor(private time = 1_800_000_000_000) {}

  now(): number {
    return this.time;
  }

  catchUp(): number {
    const step = this.aheadMs;
    this.aheadMs = 0;
    this.time += step;
    return step;
  }

  steady(): number {
    return this.elapsed;
  }

  soon(callback: () => void): void {
    setImmediate(callback);
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer = { at: this.elapsed + delayMs, callback };
    this.timers.add(timer);
    return { cancel: () => void this.timers.delete(timer) };
  }

  /** Sets the time of day forwards, or back, as an administrator would: timers and `now()` run on as before. */
  step(byMs: number): void {
    this.aheadMs += byMs;
  }

  /** Lets time pass, timer by timer, with all that follows from each. */
  async pass(ms: number): Promise<void> {
    const until = this.elapsed + ms;
    for (;;) {
      await settled();
      const [next] = [...this.timers].sort((a, b) => a.at - b.at);
      if (next === undefined || next.at > until) break;
      this.timers.delete(next);
      this.time += next.at - this.elapsed;
      this.elapsed = next.at;
      next.callback();
    }
    this.time += until - this.elapsed;
    this.elapsed = until;
    await settled();
  }
}

/** Resolves when promises that wait for nothing outside have run their course. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
