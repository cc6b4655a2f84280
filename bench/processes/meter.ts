/** Times what is sent until it is received, and counts it. */
export class Meter {
  private readonly begun: number[] = [];
  private readonly times: number[] = [];
  /** By number; a `Map` of what comes and goes would burden the garbage collector of every client measured. */
  private readonly waiting: ((() => void) | undefined)[] = [];
  private startedAt = 0;
  private endedAt = 0;
  private duplicates = 0;

  constructor(private readonly seconds: number) {}

  /** Keeps `window` messages on their way until the time is over; one is when neither confirmed nor received. */
  async runWindow(window: number, send: (number: number) => Promise<unknown>): Promise<void> {
    this.startedAt = performance.now();
    const until = this.startedAt + this.seconds * 1000;
    const lane = async (): Promise<void> => {
      for (let now = this.startedAt; now < until; now = performance.now()) await this.carry(now, send);
    };
    await Promise.all(Array.from({ length: window }, lane));
    this.endedAt = performance.now();
  }

  /**
   * Sends `rate` messages a second until the time is over, whether or not they arrive. One that this process sends late
   * counts from when it was due, so that a stall is not left out.
   */
  async runRate(rate: number, send: (number: number) => Promise<unknown>): Promise<void> {
    this.startedAt = performance.now();
    const total = Math.floor(rate * this.seconds);
    const carried: Promise<void>[] = [];
    while (carried.length < total) {
      const now = performance.now();
      const due = this.startedAt + (carried.length * 1000) / rate;
      if (due > now) await new Promise((resolve) => setTimeout(resolve, 1));
      else carried.push(this.carry(now - due > TIMER_MS ? due : now, send));
    }
    await Promise.all(carried);
    this.endedAt = performance.now();
  }

  /** A message is received. */
  end(number: number): void {
    const resolve = this.waiting[number];
    if (resolve === undefined) {
      this.duplicates++;
      return;
    }
    this.times.push(performance.now() - (this.begun[number] ?? NaN));
    this.waiting[number] = undefined;
    resolve();
  }

  /** Messages that are sent and not received. */
  get missing(): number {
    return this.begun.length - this.times.length;
  }

  result(): Measured {
    const sorted = Float64Array.from(this.times).sort();
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
    const seconds = (this.endedAt - this.startedAt) / 1000;
    return { messages: sorted.length, seconds, p50: at(0.5), p99: at(0.99), duplicates: this.duplicates };
  }

  private async carry(begunAt: number, send: (number: number) => Promise<unknown>): Promise<void> {
    const number = this.begun.push(begunAt) - 1;
    const received = new Promise<void>((resolve) => (this.waiting[number] = resolve));
    await send(number);
    await received;
  }
}

/** A timer of 1 ms may be this late without anything being wrong. */
const TIMER_MS = 2;

export interface Measured {
  readonly messages: number;
  readonly seconds: number;
  /** From publish to handler, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Deliveries beyond the first. */
  readonly duplicates: number;
}
