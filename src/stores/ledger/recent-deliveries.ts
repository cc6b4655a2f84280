import { hashOf } from "../../protocol/id-table";

/** Deliveries that are remembered: a power of 2. */
const REMEMBERED = 2 ** 15;
const PLACES = REMEMBERED - 1;

/**
 * The deliveries that ended last. By these an ack that is sent again after a lost reply is answered `already`, and what is
 * given out is never named as one of them, whichever message of that id it was.
 *
 * They are numbered, and kept in a ring; each leads to the one before it of which the hash ends alike. What is overwritten
 * ends such a chain by its number alone. A `Map` for each of many queues would be as much garbage as the messages themselves.
 */
export class RecentDeliveries {
  private readonly ids: (string | undefined)[] = Array.from({ length: REMEMBERED }, () => undefined);
  private readonly queueNumbers = new Uint32Array(REMEMBERED);
  /** Of queue and id: what has another one is told apart by it, without a look at the id. */
  private readonly hashes = new Int32Array(REMEMBERED);
  private readonly attempts = new Uint32Array(REMEMBERED);
  private readonly acked = new Uint8Array(REMEMBERED);
  /** Number of the one before it in the same chain, by place in the ring; and of the last one of each chain. 0: none. */
  private readonly before = new Float64Array(REMEMBERED);
  private readonly lastOfChain = new Float64Array(REMEMBERED);
  /** Number of the last one. */
  private last = 0;

  /** @param acked whether it ended so. */
  add(queueNo: number, id: string, attempt: number, acked: boolean): void {
    const place = ++this.last & PLACES;
    const hash = hashIn(queueNo, id);
    this.ids[place] = id;
    this.queueNumbers[place] = queueNo;
    this.hashes[place] = hash;
    this.attempts[place] = attempt;
    this.acked[place] = Number(acked);
    this.before[place] = this.lastOfChain[hash & PLACES] ?? 0;
    this.lastOfChain[hash & PLACES] = this.last;
  }

  /** Whether this very delivery was acked. */
  wasAcked(queueNo: number, id: string, attempt: number): boolean {
    const hash = hashIn(queueNo, id);
    let place = this.placeOf(queueNo, id, hash, this.lastOfChain[hash & PLACES]);
    while (place !== undefined && this.attempts[place] !== attempt) {
      place = this.placeOf(queueNo, id, hash, this.before[place]);
    }
    return place !== undefined && this.acked[place] === 1;
  }

  /** The attempt under which the id was given out last, as far as that delivery has ended; 0: none is known. */
  lastAttempt(queueNo: number, id: string): number {
    const hash = hashIn(queueNo, id);
    const place = this.placeOf(queueNo, id, hash, this.lastOfChain[hash & PLACES]);
    return place === undefined ? 0 : (this.attempts[place] ?? 0);
  }

  /** @param from number of the one with which to begin. @returns the place of the newest of this id; undefined: there is none. */
  private placeOf(queueNo: number, id: string, hash: number, from: number | undefined): number | undefined {
    const oldest = Math.max(1, this.last - PLACES);
    let number = from ?? 0;
    while (number >= oldest) {
      const place = number & PLACES;
      if (this.hashes[place] === hash && this.queueNumbers[place] === queueNo && this.ids[place] === id) return place;
      number = this.before[place] ?? 0;
    }
    return undefined;
  }
}

function hashIn(queueNo: number, id: string): number {
  return hashOf(id) ^ Math.imul(queueNo, 0x9e3779b1);
}
