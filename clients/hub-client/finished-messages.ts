import type { DeliveredMessage } from "../../src/protocol/wire";

/** Messages that are remembered for certain; up to twice as many are. */
const REMEMBERED = 10_000;

/** Of a message, or of a delivery of it. Ids come again, as of a message to two rooms: what tells two messages of a queue apart is `seq`, which stays through retries. */
type Name = Pick<DeliveredMessage, "id" | "seq">;

/**
 * Messages of one queue that this process has handled to the end without hearing that the hub knows. A redelivery of one
 * is acked without handling it twice. Two generations: forgetting the oldest one by one costs more than remembering some
 * of them longer.
 */
export class FinishedMessages {
  /** Mostly there is none, in each of what may be thousands of queues. */
  private recent: Set<string> | undefined;
  private older: Set<string> | undefined;

  add(message: Name): void {
    this.recent ??= new Set();
    this.recent.add(keyOf(message));
    if (this.recent.size < REMEMBERED) return;
    this.older = this.recent;
    this.recent = undefined;
  }

  has(message: Name): boolean {
    const key = keyOf(message);
    return this.recent?.has(key) === true || this.older?.has(key) === true;
  }
}

function keyOf({ id, seq }: Name): string {
  return `${seq} ${id}`;
}
