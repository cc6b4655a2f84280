import type { StoredMessage } from "./ledger/journal";

/** Messages of the memory store that the ledger may not have in memory, by lane, in order: it pages them in. */
export class UnreadLanes {
  private readonly lanes = new Map<string, StoredMessage[]>();

  /** Puts a message in its place, if it is not there. */
  add(message: StoredMessage): void {
    const key = laneKey(message.queueNo, message.priority);
    const lane = this.lanes.get(key) ?? [];
    this.lanes.set(key, lane);
    const at = placeOf(lane, message.seq);
    if (lane[at]?.seq !== message.seq) lane.splice(at, 0, message);
  }

  remove({ queueNo, priority, seq }: StoredMessage): void {
    const lane = this.lanes.get(laneKey(queueNo, priority));
    if (lane === undefined) return;
    const at = placeOf(lane, seq);
    if (lane[at]?.seq === seq) lane.splice(at, 1);
  }

  /** Takes the next messages after a seq. */
  take(queueNo: number, priority: number, afterSeq: number, limit: number): StoredMessage[] {
    const lane = this.lanes.get(laneKey(queueNo, priority)) ?? [];
    // What became due before the lane had reached it is in the ledger's memory already.
    lane.splice(0, placeOf(lane, afterSeq + 1));
    return lane.splice(0, limit);
  }
}

/** Index of the first message whose seq is not below this one. */
function placeOf(lane: readonly StoredMessage[], seq: number): number {
  let low = 0;
  let high = lane.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((lane[middle]?.seq ?? Infinity) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

function laneKey(queueNo: number, priority: number): string {
  return `${queueNo}/${priority}`;
}
