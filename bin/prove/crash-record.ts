import { NOTES } from "./crash-child";

/** What a store confirmed before it was killed, and what it therefore owes after. */
export class CrashRecord {
  /** What was found to be wrong, in words. */
  readonly failures: string[] = [];
  /** Confirmed messages. */
  confirmed = 0;
  acked = 0;
  lost = 0;
  highestNumber = 0;
  /** Confirmed and not acked, with the attempt that was given last; an ack that was asked for may or may not have come to be. */
  private readonly owed = new Map<number, { attempt: number; isAckAsked: boolean }>();
  private readonly ended = new Set<number>();
  private crashes = 0;

  /** The child was killed. */
  crashed(): void {
    this.crashes++;
  }

  /** Takes in a line that a child noted. */
  note(line: string): void {
    const items = line.slice(2).split(",").filter(Boolean);
    switch (line.slice(0, 1)) {
      case NOTES.FOUND:
        return this.found(items.map(numbersOf));
      case NOTES.CONFIRMED:
        for (const item of items) this.confirm(Number(item));
        return;
      case NOTES.ACKING:
        for (const [number = 0, attempt = 0] of items.map(numbersOf)) {
          this.owed.set(number, { attempt, isAckAsked: true });
          this.saw(number);
        }
        return;
      case NOTES.ACKED:
        for (const number of items.map(Number)) {
          this.owed.delete(number);
          this.ended.add(number);
          this.acked++;
        }
        return;
    }
  }

  private confirm(number: number): void {
    this.confirmed++;
    this.saw(number);
    // It may have been acked before its publisher had time to say that it was confirmed.
    if (!this.owed.has(number) && !this.ended.has(number)) this.owed.set(number, { attempt: 0, isAckAsked: false });
  }

  private found(rows: readonly (readonly number[])[]): void {
    const there = new Set<number>();
    let lastSeq = 0;
    for (const [number = 0, attempt = 0, seq = 0] of rows) {
      there.add(number);
      this.saw(number);
      if (this.ended.has(number)) this.fail(`the ack of message ${number} was taken back`);
      if (seq <= lastSeq) this.fail(`message ${number} is out of order`);
      lastSeq = seq;
      const owed = this.owed.get(number);
      if (owed && attempt <= owed.attempt) this.fail(`attempt ${attempt} of message ${number} was given twice`);
      this.owed.set(number, { attempt, isAckAsked: false });
    }
    for (const [number, { isAckAsked }] of this.owed) {
      if (there.has(number)) continue;
      this.owed.delete(number);
      this.ended.add(number);
      if (isAckAsked) continue;
      this.lost++;
      this.fail(`message ${number} was confirmed, and is lost`);
    }
  }

  private saw(number: number): void {
    this.highestNumber = Math.max(this.highestNumber, number);
  }

  private fail(what: string): void {
    this.failures.push(`after crash ${this.crashes}: ${what}`);
  }
}

function numbersOf(item: string): number[] {
  return item.split(":").map(Number);
}
