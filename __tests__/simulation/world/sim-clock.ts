import type { Clock, Timer } from "../../../src/queue/clock";
import type { Random } from "../random";

interface Entry {
  readonly at: number;
  readonly no: number;
  /** Undefined once it is cancelled. */
  callback: (() => void) | undefined;
}

/** Where a run's time of day begins. */
const EPOCH = 1_800_000_000_000;
/** Up to here a process takes a step of the time of day for slewing. */
const MIN_STEP_MS = 1_000;
/** Node fires no timer before this. */
const SHORTEST_TIMER_MS = 1;
/** Events that one turn of the real event loop takes: each is followed by all promises that come of it. */
const EVENTS_PER_TURN = 64;

/** Simulated time: it stands still while anything runs, and then jumps to the next event. */
export class SimClock {
  /** Milliseconds since the run began. */
  steadyMs = 0;
  /** How many events have run: what has the same number happened in one. */
  step = 0;
  private offset = EPOCH;
  private readonly entries: Entry[] = [];
  private last = 0;
  private stopped = false;

  /** @param random decides how long a turn of a process takes. */
  constructor(private readonly random: Random) {}

  /** Milliseconds since the epoch, as the hub's machine has it. */
  now(): number {
    return Math.floor(this.steadyMs + this.offset);
  }

  /** Sets the time of day forward or back. */
  stepTime(ms: number): void {
    this.offset += ms;
  }

  /** Runs `callback` after `delayMs`. */
  after(delayMs: number, callback: () => void): Timer {
    return this.at(this.steadyMs + delayMs, callback);
  }

  /** Runs `callback` at a moment. Of those at the same one, the one that was asked for first goes first. */
  at(steadyMs: number, callback: () => void): Timer {
    const entry: Entry = { at: Math.max(this.steadyMs, steadyMs), no: this.last++, callback };
    this.push(entry);
    return { cancel: () => (entry.callback = undefined) };
  }

  /**
   * The clock of one process, or of one of its threads, as the product's own keeps time: steadily, until it catches up
   * with the time of day. Nothing that it set runs any more once the process has ended.
   */
  process(isAlive: () => boolean): Clock {
    const whileAlive = (callback: () => void) => (): void => {
      if (isAlive()) callback();
    };
    let turnEndsAt = 0;
    let startedAt = this.offset;
    return {
      now: () => Math.round(startedAt + this.steadyMs),
      catchUp: () => {
        const step = this.offset - startedAt;
        if (Math.abs(step) <= MIN_STEP_MS) return 0;
        startedAt += step;
        return step;
      },
      steady: () => this.steadyMs,
      setTimer: (callback, delayMs) => this.after(Math.max(delayMs, SHORTEST_TIMER_MS), whileAlive(callback)),
      soon: (callback) => {
        // All that is asked for in one turn runs at its end: what comes in meanwhile is of the same turn.
        if (turnEndsAt <= this.steadyMs) turnEndsAt = this.steadyMs + this.random.next() ** 3;
        this.at(turnEndsAt, whileAlive(callback));
      },
    };
  }

  stop(): void {
    this.stopped = true;
  }

  /** Runs events, with all promises that come of each, until it is stopped. Rejects when nothing is left, or one throws. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      let left = 0;
      // The real event loop empties the queue of promises after each of its immediates.
      const turn = (): void => {
        if (this.stopped) {
          left = Infinity;
          resolve();
          return;
        }
        try {
          this.runNext();
        } catch (error) {
          left = Infinity;
          this.stopped = true;
          reject(error instanceof Error ? error : new Error(String(error)));
          return;
        }
        if (--left <= 0) again();
      };
      const again = (): void => {
        left = EVENTS_PER_TURN;
        for (let count = 0; count < EVENTS_PER_TURN; count++) setImmediate(turn);
      };
      again();
    });
  }

  private runNext(): void {
    const entry = this.pop();
    if (entry === undefined) throw new Error("the simulation has nothing left to do, and is not over");
    this.steadyMs = entry.at;
    if (entry.callback === undefined) return;
    this.step++;
    entry.callback();
  }

  private push(entry: Entry): void {
    const { entries } = this;
    let index = entries.length;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = entries[parentIndex];
      if (parent === undefined || isBefore(parent, entry)) break;
      entries[index] = parent;
      index = parentIndex;
    }
    entries[index] = entry;
  }

  private pop(): Entry | undefined {
    const { entries } = this;
    const first = entries[0];
    const last = entries.pop();
    if (first === undefined || last === undefined || entries.length === 0) return first;
    let index = 0;
    for (;;) {
      let childIndex = index * 2 + 1;
      let child = entries[childIndex];
      const right = entries[childIndex + 1];
      if (child !== undefined && right !== undefined && isBefore(right, child)) {
        child = right;
        childIndex++;
      }
      if (child === undefined || isBefore(last, child)) break;
      entries[index] = child;
      index = childIndex;
    }
    entries[index] = last;
    return first;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.no < b.no);
}
