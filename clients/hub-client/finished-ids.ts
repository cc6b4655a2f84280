/** Ids that are remembered for certain; up to twice as many are. */
const REMEMBERED_IDS = 10_000;

/**
 * Messages of one queue that this process has handled to the end without hearing that the hub knows. A redelivery of one
 * is acked without handling it twice. Two generations: forgetting the oldest one by one costs more than remembering some
 * of them longer.
 */
export class FinishedIds {
  /** Mostly there is none, in each of what may be thousands of queues. */
  private recent: Set<string> | undefined;
  private older: Set<string> | undefined;

  add(id: string): void {
    this.recent ??= new Set();
    this.recent.add(id);
    if (this.recent.size < REMEMBERED_IDS) return;
    this.older = this.recent;
    this.recent = undefined;
  }

  has(id: string): boolean {
    return this.recent?.has(id) === true || this.older?.has(id) === true;
  }
}
