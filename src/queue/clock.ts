/** Where the hub takes its time and its turns from. Tests and simulations put their own in its place. */
export interface Clock {
  /** Milliseconds since the epoch. Runs steadily, also when the machine's time of day is set: only `catchUp` makes it jump. */
  now(): number;
  /**
   * Follows the machine's time of day where that was set, forwards or back, by more than a second.
   *
   * @returns by how many milliseconds `now()` jumped; 0: it did not. Deadlines that were given as durations have to follow.
   */
  catchUp(): number;
  /** Milliseconds since some moment, whatever becomes of the time of day. */
  steady(): number;
  /** Runs `callback` once after `delayMs`; the timer alone does not keep a process alive. */
  setTimer(callback: () => void, delayMs: number): Timer;
  /** Runs `callback` once, when this turn of the event loop is done with what came in. */
  soon(callback: () => void): void;
}

export interface Timer {
  cancel(): void;
}

/** Up to here the time of day is being slewed, or was read a moment late. */
const MIN_STEP_MS = 1_000;

/** Node fires a longer timer at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * The machine's clock, for one hub: of two that share one only the first hears of a step. The time that a machine sleeps
 * counts as a step: what was left of a lease or a delay is left when it wakes.
 */
export class SystemClock implements Clock {
  private startedAt = Date.now() - performance.now();

  now(): number {
    return Math.round(this.startedAt + performance.now());
  }

  catchUp(): number {
    const step = Math.round(Date.now() - performance.now() - this.startedAt);
    if (Math.abs(step) <= MIN_STEP_MS) return 0;
    this.startedAt += step;
    return step;
  }

  steady(): number {
    return performance.now();
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), LONGEST_TIMER_MS));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  }

  soon(callback: () => void): void {
    setImmediate(callback);
  }
}

/** For what runs without a hub. */
export const systemClock: Clock = new SystemClock();
