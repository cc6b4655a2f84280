/** Ids that are remembered for certain; up to twice as many are. */
const REMEMBERED_IDS = 10_000;

/**
 * The last messages of one queue that this process has handled to the end. A redelivery of one, because the ack did
 * not reach the hub in time, is acked without handling it twice. Two generations: forgetting the oldest one by one
 * costs more than remembering some of them longer.
 */
export class FinishedIds {
  private recent = new Set<string>();
  private older = new Set<string>();

  add(id: string): void {
    this.recent.add(id);
    if (this.recent.size < REMEMBERED_IDS) return;
    this.older = this.recent;
    this.recent = new Set();
  }

  has(id: string): boolean {
    return this.recent.has(id) || this.older.has(id);
  }
}
