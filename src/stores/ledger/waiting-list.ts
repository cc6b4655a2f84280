import { PRIORITIES, sizeOf } from "../../queue/message";
import type { StoredMessage } from "./journal";
import type { MemoryBudget } from "./memory-budget";

/** Seqs are below this, so that a priority and a seq make one number that is exact. */
const SEQS = 2 ** 49;
/** Entries that have left are cut off once they are this many, and half of all. */
const CUT = 1024;
/** An empty list that was cut off sooner would have to be made anew for almost every message of a queue. */
const CUT_WHEN_EMPTY = 16;

type Placed = Pick<StoredMessage, "priority" | "seq">;

/** A message's place as one number: priority first, the higher the earlier, then its seq. */
function placeOf({ priority, seq }: Placed): number {
  return (PRIORITIES - 1 - priority) * SEQS + seq;
}

/**
 * Waiting messages in order. The first of them are in memory; of those behind only the place is kept, a number, and
 * their content is read from the disk when their turn comes near. So a million messages that wait cost little.
 */
export class WaitingList {
  /** Some of it is being read, or waits for its end to be stored: nothing else is read of it meanwhile. */
  isBusy = false;
  private readonly messages: (StoredMessage | undefined)[] = [];
  private head = 0;
  private readonly places: number[] = [];
  private firstPlace = 0;
  /** Of those in memory, as `sizeOf` counts. */
  private bytes = 0;

  /** @param leastBytes what it may have in memory also where the budget for all is spent. */
  constructor(
    private readonly budget: MemoryBudget,
    readonly leastBytes: number,
  ) {}

  /** Messages in memory. */
  get length(): number {
    return this.messages.length - this.head;
  }

  /** Messages of which only the place is kept. */
  get onDisk(): number {
    return this.places.length - this.firstPlace;
  }

  peek(): StoredMessage | undefined {
    return this.messages[this.head];
  }

  shift(): StoredMessage | undefined {
    const message = this.messages[this.head];
    if (message === undefined) return undefined;
    this.messages[this.head++] = undefined;
    if (this.head === this.messages.length) {
      if (this.head >= CUT_WHEN_EMPTY) {
        this.messages.length = 0;
        this.head = 0;
      }
    } else if (this.head >= CUT && this.head * 2 >= this.messages.length) {
      this.messages.splice(0, this.head);
      this.head = 0;
    }
    this.giveBack(message);
    return message;
  }

  /** Puts a message in its place: mostly the end, and the front for one that comes back. */
  insert(message: StoredMessage): void {
    const firstOnDisk = this.places[this.firstPlace];
    if (firstOnDisk !== undefined && placeOf(message) > firstOnDisk) this.addPlace(placeOf(message));
    else this.insertInMemory(message);
  }

  /** Keeps only the first so many in memory. The content of all of them is on disk as well. */
  shorten(keep: number): void {
    if (this.length <= keep) return;
    const dropped = this.messages.splice(this.head + keep);
    const places: number[] = [];
    for (const message of dropped) {
      if (message === undefined) continue;
      this.giveBack(message);
      places.push(placeOf(message));
    }
    this.places.splice(0, this.firstPlace, ...places);
    this.firstPlace = 0;
  }

  /** Where the budget for all is spent: keeps no more than its least in memory, once it has twice as much. */
  shortenToLeast(): void {
    if (!this.budget.isSpent || this.bytes <= this.leastBytes * 2) return;
    let keep = 0;
    let bytes = 0;
    for (const message of this.inMemory()) {
      bytes += sizeOf(message);
      if (bytes > this.leastBytes) break;
      keep++;
    }
    this.shorten(keep);
  }

  /** Whether no more than half of so many are in memory; where the budget for all is spent, less than its least. */
  isShortOf(count: number): boolean {
    return this.budget.isSpent ? this.bytes < this.leastBytes : this.length <= count / 2;
  }

  /** The places of the next so many messages that are to be read, where it is short of them. */
  wanted(count: number): readonly number[] {
    if (this.isBusy || this.onDisk === 0 || !this.isShortOf(count)) return [];
    return this.places.slice(this.firstPlace, this.firstPlace + count);
  }

  /**
   * Takes in what was read of the wanted places; what was not found is gone.
   *
   * @returns how many were gone.
   */
  fetched(wanted: readonly number[], messages: readonly StoredMessage[]): number {
    let gone = 0;
    const byPlace = new Map(messages.map((message) => [placeOf(message), message]));
    for (const place of wanted) {
      const message = byPlace.get(place);
      if (message === undefined) {
        if (this.forgetPlace(place)) gone++;
      } else if (this.places[this.firstPlace] === place) {
        this.forgetPlace(place);
        this.insertInMemory(message);
      }
      // Else others were put before it meanwhile, of which only the place is kept: it would overtake them.
    }
    return gone;
  }

  /** Seq of the first message, in memory or not; undefined: there is none. */
  get firstSeq(): number | undefined {
    const place = this.places[this.firstPlace];
    return this.peek()?.seq ?? (place === undefined ? undefined : seqOf(place));
  }

  /** @returns the message that was taken out of memory, if it was there. */
  remove(placed: Placed): StoredMessage | undefined {
    const at = this.indexOf(placeOf(placed));
    const message = this.messages[at];
    if (message === undefined || message.seq !== placed.seq) return undefined;
    this.messages.splice(at, 1);
    this.giveBack(message);
    return message;
  }

  /** Forgets one of which only the place is kept. @returns whether it was there. */
  forget(placed: Placed): boolean {
    return this.forgetPlace(placeOf(placed));
  }

  /** Whether one is here of which only the place is kept. */
  hasPlace(placed: Placed): boolean {
    const place = placeOf(placed);
    return this.places[this.indexOfPlace(place)] === place;
  }

  /** Those in memory, in order. */
  *inMemory(): Iterable<StoredMessage> {
    for (let at = this.head; at < this.messages.length; at++) {
      const message = this.messages[at];
      if (message !== undefined) yield message;
    }
  }

  /** How many go before this one. */
  countBefore(placed: Placed): number {
    const inMemory = this.indexOf(placeOf(placed)) - this.head;
    return inMemory < this.length ? inMemory : inMemory + this.indexOfPlace(placeOf(placed)) - this.firstPlace;
  }

  private insertInMemory(message: StoredMessage): void {
    const bytes = sizeOf(message);
    this.budget.take(bytes);
    this.bytes += bytes;
    const last = this.messages[this.messages.length - 1];
    const place = placeOf(message);
    if (last === undefined || placeOf(last) < place) {
      this.messages.push(message);
      return;
    }
    const at = this.indexOf(place);
    if (at === this.head && this.head > 0) this.messages[--this.head] = message;
    else this.messages.splice(at, 0, message);
  }

  private giveBack(message: StoredMessage): void {
    const bytes = sizeOf(message);
    this.budget.giveBack(bytes);
    this.bytes -= bytes;
  }

  /** Index of the first message in memory that is not before this place. */
  private indexOf(place: number): number {
    let low = this.head;
    let high = this.messages.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const message = this.messages[middle];
      if (message !== undefined && placeOf(message) < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private addPlace(place: number): void {
    const last = this.places[this.places.length - 1];
    if (last === undefined || last < place || this.onDisk === 0) this.places.push(place);
    else this.places.splice(this.indexOfPlace(place), 0, place);
  }

  private forgetPlace(place: number): boolean {
    const at = this.indexOfPlace(place);
    if (this.places[at] !== place) return false;
    if (at !== this.firstPlace) {
      this.places.splice(at, 1);
      return true;
    }
    this.firstPlace++;
    if (this.firstPlace >= CUT && this.firstPlace * 2 >= this.places.length) {
      this.places.splice(0, this.firstPlace);
      this.firstPlace = 0;
    }
    return true;
  }

  private indexOfPlace(place: number): number {
    let low = this.firstPlace;
    let high = this.places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.places[middle] ?? Infinity) < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The seq of a message at a place. */
export function seqOf(place: number): number {
  return place % SEQS;
}
