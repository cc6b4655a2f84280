/** Acks remembered at the least. */
const REMEMBERED = 20_000;

/** Attempts by id, by queue. */
type Acks = Map<number, Map<string, number>>;

/**
 * The deliveries that were acked last, so that an ack sent again after a lost reply is answered `already`. In two
 * generations: when the younger is full, the older is forgotten whole.
 */
export class RecentAcks {
  private young: Acks = new Map();
  private old: Acks = new Map();
  private count = 0;

  add(queueNo: number, id: string, attempt: number): void {
    let ofQueue = this.young.get(queueNo);
    if (ofQueue === undefined) {
      ofQueue = new Map();
      this.young.set(queueNo, ofQueue);
    }
    ofQueue.set(id, attempt);
    if (++this.count < REMEMBERED) return;
    this.old = this.young;
    this.young = new Map();
    this.count = 0;
  }

  /** This attempt ended otherwise: what was acked under its name was an older message of the same id. */
  forget(queueNo: number, id: string, attempt: number): void {
    for (const acks of [this.young, this.old]) {
      const ofQueue = acks.get(queueNo);
      if (ofQueue?.get(id) === attempt) ofQueue.delete(id);
    }
  }

  has(queueNo: number, id: string, attempt: number): boolean {
    return (this.young.get(queueNo)?.get(id) ?? this.old.get(queueNo)?.get(id)) === attempt;
  }
}
