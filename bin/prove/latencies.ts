/** How long something took, again and again, in milliseconds. */
export class Latencies {
  private readonly all: number[] = [];
  private isSorted = true;

  add(ms: number): void {
    this.all.push(ms);
    this.isSorted = false;
  }

  get count(): number {
    return this.all.length;
  }

  /** @param share from 0 to 1: how many of all took no longer. */
  quantile(share: number): number {
    if (!this.isSorted) this.all.sort((left, right) => left - right);
    this.isSorted = true;
    return this.all[Math.min(this.all.length - 1, Math.floor(this.all.length * share))] ?? NaN;
  }
}
