/** Acks remembered at the least. */
const REMEMBERED = 20_000;

/**
 * The deliveries that were acked last, so that an ack sent again after a lost reply is answered `already`. In two
 * generations: when the younger is full, the older is forgotten whole.
 */
export class RecentAcks {
  private young = new Map<string, number>();
  private old = new Map<string, number>();

  add(queueNo: number, id: string, attempt: number): void {
    this.young.set(`${queueNo}/${id}`, attempt);
    if (this.young.size < REMEMBERED) return;
    this.old = this.young;
    this.young = new Map();
  }

  has(queueNo: number, id: string, attempt: number): boolean {
    const key = `${queueNo}/${id}`;
    return (this.young.get(key) ?? this.old.get(key)) === attempt;
  }
}
