import { PRIORITIES } from "../../queue/message";
import type { LaneCount } from "../ledger/journal";

type Counting = { -readonly [Field in keyof LaneCount]: LaneCount[Field] };

/** Adds up what there is of each lane. */
export class LaneCounts {
  private readonly counts = new Map<number, Counting>();

  /** @param bytes of one message, as `sizeOf` counts. */
  add(queueNo: number, priority: number, bytes: number): void {
    const lane = queueNo * PRIORITIES + priority;
    let count = this.counts.get(lane);
    if (count === undefined) this.counts.set(lane, (count = { queueNo, priority, count: 0, bytes: 0 }));
    count.count++;
    count.bytes += bytes;
  }

  all(): LaneCount[] {
    return [...this.counts.values()];
  }
}
