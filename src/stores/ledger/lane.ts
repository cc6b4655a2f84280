import type { StoredMessage } from "./journal";

/**
 * The ready messages of one priority in one queue, by seq. Those at the front are in memory; while the lane is closed,
 * those past its cursor are only on disk and counted.
 */
export class Lane {
  private readonly messages: (StoredMessage | undefined)[] = [];
  private head = 0;
  /** Undefined while the lane is open: all of its ready messages are in memory. */
  private cursor: number | undefined;
  /** Ready messages past the cursor. */
  onDisk = 0;
  /** Messages on their way to the disk, to be counted there once they are written. */
  private spilling = 0;
  /** Messages on their way to the disk that will stay in memory. */
  private reserved = 0;
  paging = false;

  constructor(readonly priority: number) {}

  get open(): boolean {
    return this.cursor === undefined;
  }

  /** Ready messages in memory. */
  get length(): number {
    return this.messages.length - this.head;
  }

  /** In memory now, or about to be. */
  get claimed(): number {
    return this.length + this.reserved;
  }

  get readyCount(): number {
    return this.length + this.onDisk;
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

  /** Whether a ready message of this seq belongs in memory. */
  covers(seq: number): boolean {
    return this.cursor === undefined || seq <= this.cursor;
  }

  /** Takes in the page that follows the cursor. */
  endPage(page: readonly StoredMessage[]): void {
    this.paging = false;
    const last = page[page.length - 1];
    if (last !== undefined) this.cursor = last.seq;
    this.onDisk = Math.max(0, this.onDisk - page.length);
    // Guard against a count that is off: an empty page says that there is nothing past the cursor.
    if (page.length === 0) this.onDisk = 0;
    for (const message of page) this.insert(message);
    this.reopenIfWhole();
  }

  forgetOnDisk(): void {
    this.onDisk = Math.max(0, this.onDisk - 1);
    this.reopenIfWhole();
  }

  peek(): StoredMessage | undefined {
    return this.messages[this.head];
  }

  shift(): StoredMessage | undefined {
    const message = this.messages[this.head];
    if (message === undefined) return undefined;
    this.messages[this.head++] = undefined;
    if (this.head === this.messages.length) {
      this.messages.length = 0;
      this.head = 0;
    } else if (this.head >= 1024 && this.head * 2 >= this.messages.length) {
      this.messages.splice(0, this.head);
      this.head = 0;
    }
    return message;
  }

  /** Puts a message where its seq belongs: mostly the end, and the front for one that comes back. */
  insert(message: StoredMessage): void {
    const last = this.messages[this.messages.length - 1];
    if (last === undefined || last.seq < message.seq) {
      this.messages.push(message);
      return;
    }
    const at = this.indexOf(message.seq);
    if (at === this.head && this.head > 0) this.messages[--this.head] = message;
    else this.messages.splice(at, 0, message);
  }

  /** @returns the message that was taken out, if it was here. */
  remove(seq: number): StoredMessage | undefined {
    const at = this.indexOf(seq);
    const message = this.messages[at];
    if (message?.seq !== seq) return undefined;
    this.messages.splice(at, 1);
    return message;
  }

  /** Index of the first message whose seq is not below this one. */
  private indexOf(seq: number): number {
    let low = this.head;
    let high = this.messages.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.messages[middle]?.seq ?? Infinity) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private reopenIfWhole(): void {
    if (this.onDisk === 0 && this.spilling === 0 && !this.paging) this.cursor = undefined;
  }
}
