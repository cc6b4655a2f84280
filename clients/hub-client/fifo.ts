/** An empty line that was made anew sooner would be so for almost every item of a line that is mostly empty. */
const CUT_WHEN_EMPTY = 16;

/** First in, first out, without the cost that `Array.prototype.shift` has on long lines. */
export class Fifo<T> {
  private items: (T | undefined)[] = [];
  private head = 0;

  get length(): number {
    return this.items.length - this.head;
  }

  push(item: T): void {
    this.items.push(item);
  }

  peek(): T | undefined {
    return this.items[this.head];
  }

  shift(): T | undefined {
    if (this.head === this.items.length) return undefined;
    const item = this.items[this.head];
    this.items[this.head++] = undefined;
    if (this.length === 0 && this.head >= CUT_WHEN_EMPTY) this.clear();
    // Guard against a line that is never empty: its places would stay in memory.
    else if (this.head >= 4_096 && this.head * 2 > this.items.length) this.keep(this.inLine());
    return item;
  }

  /** Puts these before all others, in the order given. */
  putBack(items: readonly T[]): void {
    this.keep(items.concat(this.inLine()));
  }

  /** Takes everything out, in order. */
  takeAll(): T[] {
    const all = this.inLine();
    this.clear();
    return all;
  }

  clear(): void {
    this.items.length = 0;
    this.head = 0;
  }

  private inLine(): T[] {
    return this.items.slice(this.head) as T[];
  }

  private keep(items: T[]): void {
    this.items = items;
    this.head = 0;
  }
}
