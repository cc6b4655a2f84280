/** A number of places, taken in the order of asking. */
export class Slots {
  private readonly waiting: (() => void)[] = [];

  constructor(private free: number) {}

  /** Waits for a place. @returns what gives it back. Rejects when the signal aborts, and then holds none. */
  take(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const enter = (): void => {
        signal.removeEventListener("abort", abandon);
        resolve(() => this.give());
      };
      const abandon = (): void => {
        this.waiting.splice(this.waiting.indexOf(enter), 1);
        reject(new Error("Waiting for a place was ended.", { cause: signal.reason }));
      };
      if (this.free > 0) {
        this.free--;
        enter();
      } else {
        this.waiting.push(enter);
        signal.addEventListener("abort", abandon, { once: true });
      }
    });
  }

  private give(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.free++;
  }
}
