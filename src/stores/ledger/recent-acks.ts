import { hashOf } from "../../protocol/id-table";

/** Acks that are remembered: a power of 2. */
const REMEMBERED = 2 ** 15;
const NOWHERE = -1;

/**
 * The deliveries that were acked last, so that an ack sent again after a lost reply is answered `already`.
 *
 * They are in a ring, and those with the same hash in a chain: a `Map` for each of many queues would be garbage as soon as
 * the next acks push it out, and as much of it as the messages themselves.
 */
export class RecentAcks {
  private readonly ids: (string | undefined)[] = Array.from({ length: REMEMBERED }, () => undefined);
  private readonly queueNumbers = new Uint32Array(REMEMBERED);
  private readonly attempts = new Uint32Array(REMEMBERED);
  /** Which chain each is in: to read its id again, long after, would mostly mean to fetch it from afar. */
  private readonly chains = new Uint16Array(REMEMBERED);
  /** Place of the first of each chain, and of the one that follows each. */
  private readonly firsts = new Int32Array(REMEMBERED).fill(NOWHERE);
  private readonly nexts = new Int32Array(REMEMBERED).fill(NOWHERE);
  /** Where the next one goes: what is there has been there longest. */
  private next = 0;

  add(queueNo: number, id: string, attempt: number): void {
    this.remove(this.find(queueNo, id));
    const at = this.next;
    this.next = (at + 1) % REMEMBERED;
    this.remove(at);
    this.ids[at] = id;
    this.queueNumbers[at] = queueNo;
    this.attempts[at] = attempt;
    const chain = chainOf(queueNo, id);
    this.chains[at] = chain;
    this.nexts[at] = this.firsts[chain] ?? NOWHERE;
    this.firsts[chain] = at;
  }

  /** This attempt ended otherwise: what was acked under its name was an older message of the same id. */
  forget(queueNo: number, id: string, attempt: number): void {
    const at = this.find(queueNo, id);
    if (this.attempts[at] === attempt) this.remove(at);
  }

  has(queueNo: number, id: string, attempt: number): boolean {
    return this.attempts[this.find(queueNo, id)] === attempt;
  }

  private find(queueNo: number, id: string): number {
    let at = this.firsts[chainOf(queueNo, id)] ?? NOWHERE;
    while (at !== NOWHERE && (this.queueNumbers[at] !== queueNo || this.ids[at] !== id)) at = this.nexts[at] ?? NOWHERE;
    return at;
  }

  /** Takes out what is at a place, if there is something. */
  private remove(at: number): void {
    if (this.ids[at] === undefined) return;
    this.ids[at] = undefined;
    const chain = this.chains[at] ?? 0;
    const after = this.nexts[at] ?? NOWHERE;
    if (this.firsts[chain] === at) {
      this.firsts[chain] = after;
      return;
    }
    let before = this.firsts[chain] ?? NOWHERE;
    while (this.nexts[before] !== at) before = this.nexts[before] ?? NOWHERE;
    this.nexts[before] = after;
  }
}

function chainOf(queueNo: number, id: string): number {
  return (hashOf(id) ^ Math.imul(queueNo, 0x9e3779b1)) & (REMEMBERED - 1);
}
