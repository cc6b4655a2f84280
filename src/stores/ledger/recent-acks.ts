import { hashOf } from "../../protocol/id-table";

/** Acks that are remembered: a power of 2. */
const REMEMBERED = 2 ** 15;
const PLACES = REMEMBERED - 1;

/**
 * The deliveries that were acked last, so that an ack sent again after a lost reply is answered `already`.
 *
 * They are numbered, and kept in a ring; each leads to the one before it that has the same hash. What is overwritten ends
 * such a chain by its number alone. A `Map` for each of many queues would be as much garbage as the messages themselves.
 */
export class RecentAcks {
  /** Undefined: nothing, or forgotten. */
  private readonly ids: (string | undefined)[] = Array.from({ length: REMEMBERED }, () => undefined);
  private readonly queueNumbers = new Uint32Array(REMEMBERED);
  private readonly attempts = new Uint32Array(REMEMBERED);
  /** Number of the one before it with the same hash, by place in the ring; and of the last one of each hash. 0: none. */
  private readonly before = new Float64Array(REMEMBERED);
  private readonly lastOfHash = new Float64Array(REMEMBERED);
  /** Number of the last one. */
  private last = 0;

  add(queueNo: number, id: string, attempt: number): void {
    const place = ++this.last & PLACES;
    const hash = hashIn(queueNo, id);
    this.ids[place] = id;
    this.queueNumbers[place] = queueNo;
    this.attempts[place] = attempt;
    this.before[place] = this.lastOfHash[hash] ?? 0;
    this.lastOfHash[hash] = this.last;
  }

  /** This attempt ended otherwise: what was acked under its name was an older message of the same id. */
  forget(queueNo: number, id: string, attempt: number): void {
    let place = this.placeOf(queueNo, id, attempt);
    while (place !== undefined) {
      this.ids[place] = undefined;
      place = this.placeOf(queueNo, id, attempt);
    }
  }

  has(queueNo: number, id: string, attempt: number): boolean {
    return this.placeOf(queueNo, id, attempt) !== undefined;
  }

  private placeOf(queueNo: number, id: string, attempt: number): number | undefined {
    const oldest = Math.max(1, this.last - PLACES);
    let number = this.lastOfHash[hashIn(queueNo, id)] ?? 0;
    while (number >= oldest) {
      const place = number & PLACES;
      const isSame = this.ids[place] === id && this.queueNumbers[place] === queueNo;
      if (isSame && this.attempts[place] === attempt) return place;
      number = this.before[place] ?? 0;
    }
    return undefined;
  }
}

function hashIn(queueNo: number, id: string): number {
  return (hashOf(id) ^ Math.imul(queueNo, 0x9e3779b1)) & PLACES;
}
