import { BusyGroup } from "./busy-group";
import type { StoredMessage } from "./journal";
import type { MemoryBudget } from "./memory-budget";
import type { WaitingList } from "./waiting-list";

type Placed = Pick<StoredMessage, "seq" | "group">;

/** What of a queue is ready, but has to wait for another message: for its group's, or for one of the same id that is out. */
export class SetAside {
  private waiting = 0;
  private readonly groups = new Map<string, BusyGroup>();
  /** Groups that may have messages of which only the place is kept. */
  private readonly spilled = new Set<BusyGroup>();
  /** Messages whose id equals that of one that is out: `(id, attempt)` must name one delivery. */
  private readonly namesakes = new Map<string, StoredMessage[]>();

  /** @param admit takes a message that waits no longer. */
  constructor(
    private readonly budget: MemoryBudget,
    private readonly admit: (message: StoredMessage) => void,
  ) {}

  /** Messages that wait, on disk or in memory. */
  get count(): number {
    return this.waiting;
  }

  /** Whether some of them may have to be read before they can go. */
  get hasUnread(): boolean {
    return this.spilled.size > 0;
  }

  /** Has a message wait whose group is busy with another. @returns whether it does. */
  awaitGroup(message: StoredMessage): boolean {
    const busy = message.group === undefined ? undefined : this.groups.get(message.group);
    if (busy === undefined || busy.seq === message.seq) return false;
    busy.park(message);
    if (busy.waiting.onDisk > 0) this.spilled.add(busy);
    this.waiting++;
    return true;
  }

  /** Has a message wait until the one of its id that is out has ended. */
  awaitNamesake(message: StoredMessage): void {
    // Its turn has come: the rest of its group does not go before it.
    if (message.group !== undefined) this.holdGroup(message.group, message);
    const namesakes = this.namesakes.get(message.id);
    if (namesakes) namesakes.push(message);
    else this.namesakes.set(message.id, [message]);
    this.waiting++;
  }

  /** No message of this id is out any more. @returns whether others of it are ready now. */
  releaseNamesakes(id: string): boolean {
    const namesakes = this.namesakes.get(id);
    if (namesakes === undefined) return false;
    this.namesakes.delete(id);
    for (const message of namesakes) this.readmit(message);
    return true;
  }

  /** Marks a group busy with a message that is out, or waits for its turn or its next attempt. */
  holdGroup(group: string, { seq, id }: Pick<StoredMessage, "seq" | "id">): void {
    if (!this.groups.has(group)) this.groups.set(group, new BusyGroup(group, seq, id, this.budget));
  }

  /** Which message holds a group; its id is undefined where it has still to be read. */
  groupHolder(group: string): Pick<BusyGroup, "seq" | "id"> | undefined {
    return this.groups.get(group);
  }

  /** Seqs of the messages that hold groups. */
  *groupHolders(): Iterable<number> {
    for (const { seq } of this.groups.values()) yield seq;
  }

  /** Ends the hold of a message on its group, if it has one. */
  freeGroup(group: string, seq: number): void {
    const busy = this.groups.get(group);
    // The group passes on to its next message: freeing the rest would only have them parked again.
    if (busy?.seq === seq) this.groupPassed(busy, busy.pass());
  }

  /** The groups that have messages of which only the place is kept. */
  *groupsOnDisk(): Iterable<BusyGroup> {
    for (const group of this.spilled) {
      if (group.waiting.onDisk === 0) this.spilled.delete(group);
      else yield group;
    }
  }

  /** Takes in what was read of a group's waiting messages. */
  groupFetched(group: BusyGroup, wanted: readonly number[], messages: readonly StoredMessage[]): void {
    const { gone, passed } = group.fetched(wanted, messages);
    this.waiting -= gone;
    if (passed !== "not waiting") this.groupPassed(group, passed);
  }

  /** Takes the oldest. @returns it; "unread" when it is only on disk; undefined: there is none. */
  takeOldest(): StoredMessage | "unread" | undefined {
    let oldest: { readonly seq: number; readonly take: () => StoredMessage | undefined } | undefined;
    for (const { waiting } of this.groups.values()) {
      const seq = waiting.firstSeq;
      if (seq !== undefined && seq < (oldest?.seq ?? Infinity)) oldest = { seq, take: () => waiting.shift() };
    }
    for (const messages of this.namesakes.values()) {
      const seq = messages[0]?.seq;
      if (seq !== undefined && seq < (oldest?.seq ?? Infinity)) oldest = { seq, take: () => messages.shift() };
    }
    if (oldest === undefined) return undefined;
    const message = oldest.take();
    if (message === undefined) return "unread";
    this.waiting--;
    return message;
  }

  /** Takes a message out that is in memory. @returns it, or undefined when it is not here. */
  take(row: Placed & Pick<StoredMessage, "priority">): StoredMessage | undefined {
    if (this.waiting === 0) return undefined;
    const message = this.ofGroup(row)?.remove(row) ?? this.takeNamesake(row.seq);
    if (message) this.waiting--;
    return message;
  }

  /** The list that keeps only the place of a message; undefined: none does. */
  listWithPlaceOf(row: Placed & Pick<StoredMessage, "priority">): WaitingList | undefined {
    const waiting = this.ofGroup(row);
    return waiting?.hasPlace(row) ? waiting : undefined;
  }

  /** Forgets a message of which only the place is kept: it has ended. */
  forgetPlace(row: Placed & Pick<StoredMessage, "priority">): void {
    if (this.ofGroup(row)?.forget(row)) this.waiting--;
  }

  /** Those in memory. */
  *inMemory(): Iterable<StoredMessage> {
    if (this.waiting === 0) return;
    for (const group of this.groups.values()) yield* group.waiting.inMemory();
    for (const messages of this.namesakes.values()) yield* messages;
  }

  private ofGroup({ group }: Placed): WaitingList | undefined {
    return group === undefined ? undefined : this.groups.get(group)?.waiting;
  }

  private takeNamesake(seq: number): StoredMessage | undefined {
    for (const list of this.namesakes.values()) {
      const at = list.findIndex((message) => message.seq === seq);
      if (at >= 0) return list.splice(at, 1)[0];
    }
    return undefined;
  }

  private groupPassed(group: BusyGroup, passed: ReturnType<BusyGroup["pass"]>): void {
    if (passed === undefined) this.groups.delete(group.name);
    else if (passed !== "pending") this.readmit(passed);
  }

  private readmit(message: StoredMessage): void {
    this.waiting--;
    this.admit(message);
  }
}
