/** Where the hub takes its time and its turns from. Tests and simulations put their own in its place. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
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

/** Node fires a longer timer at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  steady: () => performance.now(),
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), LONGEST_TIMER_MS));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  soon: (callback) => void setImmediate(callback),
};
