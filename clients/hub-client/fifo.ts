/** First in, first out, without the cost that `Array.prototype.shift` has on long lines. */
export class Fifo<T> {
  private items: T[] = [];
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
    const item = this.items[this.head++];
    if (this.head === this.items.length) this.clear();
    // Guard against a line that is never empty: what was taken would stay in memory.
    else if (this.head >= 4_096 && this.head * 2 > this.items.length) this.keep(this.items.slice(this.head));
    return item;
  }

  /** Puts these before all others, in the order given. */
  putBack(items: readonly T[]): void {
    this.keep(items.concat(this.items.slice(this.head)));
  }

  /** Takes everything out, in order. */
  takeAll(): T[] {
    const all = this.items.slice(this.head);
    this.clear();
    return all;
  }

  clear(): void {
    this.keep([]);
  }

  private keep(items: T[]): void {
    this.items = items;
    this.head = 0;
  }
}
