/** What waits because the hub refused something for the same target a moment ago. */
interface Hold<T> {
  readonly items: T[];
  /** On the monotonic clock, in milliseconds. */
  readonly untilMs: number;
}

/** Targets that are held back for a while, and what waits for each. One timer for all. */
export class Holds<T extends { readonly target: string }> {
  private readonly byTarget = new Map<string, Hold<T>>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** @param release takes what waited for the targets whose time is over, in no order. */
  constructor(private readonly release: (items: T[]) => void) {}

  /** Holds the item's target back from now on, unless it is already. */
  hold(item: T, delayMs: number): void {
    if (this.join(item)) return;
    this.byTarget.set(item.target, { items: [item], untilMs: performance.now() + delayMs });
    this.schedule();
  }

  /** Lets the item wait if its target is held back. @returns whether it does. */
  join(item: T): boolean {
    if (this.byTarget.size === 0) return false;
    const hold = this.byTarget.get(item.target);
    hold?.items.push(item);
    return hold !== undefined;
  }

  /** Ends all holds. @returns what waited, in no order. */
  takeAll(): T[] {
    return this.take(Infinity);
  }

  private take(dueMs: number): T[] {
    let items: T[] = [];
    for (const [target, hold] of this.byTarget) {
      if (hold.untilMs > dueMs) continue;
      this.byTarget.delete(target);
      items = items.length === 0 ? hold.items : items.concat(hold.items);
    }
    this.schedule();
    return items;
  }

  private schedule(): void {
    clearTimeout(this.timer);
    let nextMs = Infinity;
    for (const { untilMs } of this.byTarget.values()) nextMs = Math.min(nextMs, untilMs);
    if (nextMs === Infinity) return;
    this.timer = setTimeout(() => this.release(this.take(performance.now())), nextMs - performance.now());
  }
}
