import type { StoredMessage } from "./journal";
import type { MemoryBudget } from "./memory-budget";
import { WaitingList } from "./waiting-list";

/** What a lane may have in memory where that is spent: enough to give some out while the next are read. */
const LEAST_BYTES = 2 ** 16;

/**
 * The ready messages of one priority in one queue, by seq. Those at the front are in `list`; while the lane is closed,
 * those past its cursor are only on disk and counted.
 */
export class Lane {
  readonly list: WaitingList;
  /** Undefined while the lane is open: all of its ready messages are in the list. */
  private cursor: number | undefined;
  /** Ready messages past the cursor. */
  onDisk = 0;
  /** Messages on their way to the disk, to be counted there once they are written. */
  private spilling = 0;
  /** Messages on their way to the disk that will stay in memory. */
  private reserved = 0;
  /** A page is being read, or something past the cursor waits for its end to be stored: nothing else is read meanwhile. */
  isBusy = false;

  constructor(
    readonly priority: number,
    budget: MemoryBudget,
  ) {
    this.list = new WaitingList(budget, LEAST_BYTES);
  }

  get open(): boolean {
    return this.cursor === undefined;
  }

  /** In memory now, or about to be. */
  get claimed(): number {
    return this.list.length + this.reserved;
  }

  get readyCount(): number {
    return this.list.length + this.list.onDisk + this.onDisk;
  }

  /** No ready message of the lane is older than this seq; undefined: there is none. */
  get oldestPossible(): number | undefined {
    if (this.readyCount === 0) return undefined;
    return this.list.firstSeq ?? this.pageAfter + 1;
  }

  /** The seq after which the next page begins. */
  get pageAfter(): number {
    return this.cursor ?? 0;
  }

  /** Says that a message was found on disk at the start, or is being put there: it and what follows is paged in later. */
  closeBefore(seq: number): void {
    this.cursor ??= seq - 1;
  }

  beginSpill(seq: number): void {
    this.closeBefore(seq);
    this.spilling++;
  }

  /** @param written how many messages the spill put on disk: none if it failed or was a duplicate. */
  endSpill(written: number): void {
    this.spilling--;
    this.onDisk += written;
    this.reopenIfWhole();
  }

  beginReserve(): void {
    this.reserved++;
  }

  endReserve(): void {
    this.reserved--;
  }

  /** Whether a ready message of this seq belongs in the list. */
  covers(seq: number): boolean {
    return this.cursor === undefined || seq <= this.cursor;
  }

  /** Takes in the page that follows the cursor. */
  endPage(page: readonly StoredMessage[]): void {
    this.isBusy = false;
    const last = page[page.length - 1];
    if (last !== undefined) this.cursor = last.seq;
    this.onDisk = Math.max(0, this.onDisk - page.length);
    // Guard against a count that is off: an empty page says that there is nothing past the cursor.
    if (page.length === 0) this.onDisk = 0;
    for (const message of page) this.list.insert(message);
    this.reopenIfWhole();
  }

  forgetOnDisk(): void {
    this.onDisk = Math.max(0, this.onDisk - 1);
    this.reopenIfWhole();
  }

  private reopenIfWhole(): void {
    if (this.onDisk === 0 && this.spilling === 0 && !this.isBusy) this.cursor = undefined;
  }
}
