/** Counts the bytes, as `sizeOf` does, of waiting messages that are in memory, of all queues together. */
export class MemoryBudget {
  private bytes = 0;

  /** @param limit bytes past which what waits is left on disk. */
  constructor(private readonly limit: number) {}

  get isSpent(): boolean {
    return this.bytes >= this.limit;
  }

  /** Bytes that are left; 0 when it is overdrawn. */
  get left(): number {
    return Math.max(0, this.limit - this.bytes);
  }

  take(bytes: number): void {
    this.bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.bytes -= bytes;
  }
}
