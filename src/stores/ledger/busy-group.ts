import type { StoredMessage } from "./journal";
import type { MemoryBudget } from "./memory-budget";
import { WaitingList } from "./waiting-list";

/** Messages of a group that are kept in memory while they wait for it. */
const NEXT_IN_MEMORY = 64;
/** Of each group, where memory is spent: there may be as many groups as messages. */
const LEAST_BYTES = 2 ** 11;

/** A group with a message out, or one that goes before all others of it. The others whose turn came meanwhile wait here. */
export class BusyGroup {
  readonly waiting: WaitingList;
  /** Its next message holds it, but has still to be read. */
  private isPending = false;

  /**
   * @param seq the message that holds the group.
   * @param id its id; undefined: it has still to be read.
   */
  constructor(
    readonly name: string,
    public seq: number,
    public id: string | undefined,
    budget: MemoryBudget,
  ) {
    this.waiting = new WaitingList(budget, LEAST_BYTES);
  }

  park(message: StoredMessage): void {
    this.waiting.insert(message);
    if (this.waiting.length > NEXT_IN_MEMORY * 2) this.waiting.shorten(NEXT_IN_MEMORY);
    this.waiting.shortenToLeast();
  }

  /**
   * The message that held the group is done.
   *
   * @returns the one that holds it now; "pending" when it has still to be read; undefined: there is none.
   */
  pass(): StoredMessage | "pending" | undefined {
    const message = this.waiting.shift();
    const seq = message?.seq ?? this.waiting.firstSeq;
    this.isPending = message === undefined && seq !== undefined;
    if (seq !== undefined) this.seq = seq;
    this.id = message?.id;
    return this.isPending ? "pending" : message;
  }

  wanted(): readonly number[] {
    return this.waiting.wanted(NEXT_IN_MEMORY);
  }

  /** Takes in what was read. @returns how many were gone, and, where the group waited for its next message, what `pass` says now. */
  fetched(
    wanted: readonly number[],
    messages: readonly StoredMessage[],
  ): { gone: number; passed: ReturnType<BusyGroup["pass"]> | "not waiting" } {
    const gone = this.waiting.fetched(wanted, messages);
    return { gone, passed: this.isPending ? this.pass() : "not waiting" };
  }
}
