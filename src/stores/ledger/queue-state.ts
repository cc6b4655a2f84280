import { IdTable } from "../../protocol/id-table";
import { sizeOf, type Delivery, type QueueAddress } from "../../queue/message";
import type { QueueRules } from "../../queue/queue-rules";
import type { Settlement } from "../../queue/store";
import type { BusyGroup } from "./busy-group";
import type { StoredMessage } from "./journal";
import { Lane } from "./lane";
import type { MemoryBudget } from "./memory-budget";
import { SetAside } from "./set-aside";
import type { WaitingList } from "./waiting-list";

/** Settlements that are stored together, or not at all. */
export interface SettleBatch {
  /** Rejects when they were not stored. */
  stored: Promise<void> | undefined;
}

/** A delivery that is out. */
export interface Lease extends Delivery {
  readonly message: StoredMessage;
  /** What is on its way to the disk: nothing else may settle it meanwhile. */
  settling: { readonly action: Settlement["action"]; readonly batch: SettleBatch } | undefined;
}

/**
 * How many messages may pass an older one of lower priority in a row: the next one to go is then the queue's oldest. A
 * flood of high priority leaves one delivery in so many to what waits behind it.
 */
export const MAX_PASSES = 16;

/** One queue as it stands in memory: what is ready, what is out, and which groups are busy. */
export class QueueState {
  readonly leases = new IdTable<Lease>();
  /** Whether the ledger has it among those that may have something out. */
  isLeasing = false;
  /** No lease of this queue runs out before this time. */
  earliestDeadline = Infinity;
  delayed = 0;
  dead = 0;
  expired = 0;
  purged = 0;
  /** Stored and unsettled messages, and those on their way to be stored. */
  total = 0;
  /** Their bytes. */
  bytes = 0;
  /** Bytes of those among them that are not ready, nor on their way to be: out, delayed, or on their way to be delayed. */
  heldBytes = 0;
  /** Of all of these, those on their way to be stored, and their bytes. Some may turn out to be duplicates. */
  private arriving = 0;
  private arrivingBytes = 0;
  /** Those among them that are not to be delayed. */
  private arrivingReady = 0;
  /** Those that there are, highest priority first: mostly it is one. */
  private readonly lanes: Lane[] = [];
  /** Where there were any. Most queues have none, and there may be a hundred thousand queues. */
  private aside: SetAside | undefined;
  /** Messages that went before an older one of lower priority since the oldest last went. */
  private passes = 0;

  constructor(
    readonly no: number,
    readonly address: QueueAddress,
    private readonly budget: MemoryBudget,
  ) {}

  lane(priority: number): Lane {
    for (const lane of this.lanes) if (lane.priority === priority) return lane;
    const added = new Lane(priority, this.budget);
    const next = this.lanes.findIndex((lane) => lane.priority < priority);
    this.lanes.splice(next < 0 ? this.lanes.length : next, 0, added);
    return added;
  }

  /** The lanes that exist, highest priority first. */
  get lanesInOrder(): readonly Lane[] {
    return this.lanes;
  }

  /** Ready messages, on disk or in memory, with those that wait for their group. */
  get ready(): number {
    let count = this.aside?.count ?? 0;
    for (const lane of this.lanes) count += lane.readyCount;
    return count;
  }

  /** Whether some of what waits is not in memory. */
  get isPartlyOnDisk(): boolean {
    return this.delayed > 0 || this.hasUnread;
  }

  /** Whether some of what is ready has to be read before it can go, or may have to. */
  get hasUnread(): boolean {
    if (this.aside?.hasUnread) return true;
    for (const lane of this.lanes) if (lane.list.onDisk + lane.onDisk > 0) return true;
    return false;
  }

  /** Adds a message, by its bytes, to what the queue holds, whatever its state. */
  addToTotal(bytes: number): void {
    this.total++;
    this.bytes += bytes;
  }

  /** Takes a message, by its bytes, off what the queue holds. */
  takeOffTotal(bytes: number): void {
    this.total--;
    this.bytes -= bytes;
  }

  /** A message of so many bytes is on its way to be stored, and then delayed or ready. */
  beginArrival(bytes: number, isDelayed: boolean): void {
    this.addToTotal(bytes);
    if (isDelayed) this.heldBytes += bytes;
    else this.arrivingReady++;
    this.arriving++;
    this.arrivingBytes += bytes;
  }

  /** It was stored, or, being a duplicate or refused, was not. */
  endArrival(bytes: number, isDelayed: boolean, stored: boolean): void {
    if (isDelayed) this.heldBytes -= bytes;
    else this.arrivingReady--;
    this.arriving--;
    this.arrivingBytes -= bytes;
    if (!stored) this.takeOffTotal(bytes);
  }

  /** Whether it takes no message more, with those on their way to it. */
  isFull({ maxMessages, maxBytes }: QueueRules): boolean {
    return this.total >= maxMessages || this.bytes >= maxBytes;
  }

  /**
   * Whether there is room for one more when those go that can: nobody works on them, and they are due. Those on their way
   * are among them, as a batch may be larger than the queue: once they are stored the newest stay.
   */
  canMakeRoom({ maxMessages, maxBytes }: QueueRules): boolean {
    return this.total - this.ready - this.arrivingReady < maxMessages && this.heldBytes < maxBytes;
  }

  /** Whether what is stored is more than it may hold. */
  isOverfull({ maxMessages, maxBytes }: QueueRules): boolean {
    return this.total - this.arriving > maxMessages || this.bytes - this.arrivingBytes > maxBytes;
  }

  /** Counts a message as delayed. */
  delay(bytes: number): void {
    this.delayed++;
    this.heldBytes += bytes;
  }

  /** Ends the delay of a message. */
  endDelay(bytes: number): void {
    this.delayed--;
    this.heldBytes -= bytes;
  }

  /** Takes the next message that may go out, or undefined. Those that have to wait for another are set aside. */
  takeNext(): StoredMessage | undefined {
    if (this.passes >= MAX_PASSES) {
      const oldest = this.takeOldest();
      if (oldest === "unread") return undefined;
      if (oldest !== undefined) return oldest;
    }
    for (const lane of this.lanes) {
      const message = this.takeFrom(lane);
      if (message !== undefined) return message;
      // The rest of this lane is on its way from the disk, and goes before lower ones.
      if (lane.readyCount > 0) return undefined;
    }
    return undefined;
  }

  /**
   * Takes the message that was published first of those that may go out.
   *
   * @returns it; "unread" when it is only on disk, or may be; undefined: there is none.
   */
  takeOldest(): StoredMessage | "unread" | undefined {
    for (;;) {
      let oldest: Lane | undefined;
      for (const lane of this.lanes) {
        const seq = lane.oldestPossible;
        if (seq !== undefined && seq < (oldest?.oldestPossible ?? Infinity)) oldest = lane;
      }
      if (oldest === undefined) return undefined;
      const message = oldest.list.shift();
      if (message === undefined) return "unread";
      if (!this.setAside(message)) return message;
    }
  }

  /** Takes the oldest of those that wait for their group or a namesake. Returns as `takeOldest` does. */
  takeOldestAside(): StoredMessage | "unread" | undefined {
    return this.aside?.takeOldest();
  }

  /** Puts a message that was taken back where it was. */
  putBack(message: StoredMessage): void {
    this.lane(message.priority).list.insert(message);
  }

  lease(message: StoredMessage, holder: string, client: string, deadline: number): Lease {
    message.attempts++;
    const lease: Lease = { message, attempt: message.attempts, holder, client, deadline, settling: undefined };
    this.leases.set(message.id, lease);
    this.heldBytes += sizeOf(message);
    this.countPass(message);
    if (deadline < this.earliestDeadline) this.earliestDeadline = deadline;
    if (message.group !== undefined) this.holdGroup(message.group, message);
    return lease;
  }

  /** Ends a lease whose message is gone for good. @returns whether another may be ready now. */
  endLease(lease: Lease): boolean {
    const hadNamesakes = this.releaseName(lease);
    this.freeGroup(lease.message);
    return hadNamesakes || lease.message.group !== undefined;
  }

  /**
   * Ends a lease whose message comes back: its group stays busy with it, so that order survives the retry.
   *
   * @returns whether it or another may be ready now.
   */
  returnLease(lease: Lease, delayed: boolean): boolean {
    const hadNamesakes = this.releaseName(lease);
    const { message } = lease;
    if (delayed) this.delay(sizeOf(message));
    else this.admit(message);
    return hadNamesakes || !delayed;
  }

  /** Adds a message that is ready: to memory if its lane reaches that far, else it is on disk and counted. */
  admit(message: StoredMessage): void {
    const lane = this.lane(message.priority);
    if (lane.covers(message.seq)) lane.list.insert(message);
    else lane.onDisk++;
  }

  /** Keeps only so many messages of each lane in memory, where they are more; and only the least where memory is spent. */
  shorten(window: number): void {
    for (const lane of this.lanes) {
      if (lane.list.length > window * 2) lane.list.shorten(window);
      lane.list.shortenToLeast();
    }
  }

  /** Marks a group busy with a message that is out, or waits for its turn or its next attempt. */
  holdGroup(group: string, message: Pick<StoredMessage, "seq" | "id">): void {
    this.setAsides().holdGroup(group, message);
  }

  /** Which message holds a group; its id is undefined where it has still to be read. */
  groupHolder(group: string): Pick<BusyGroup, "seq" | "id"> | undefined {
    return this.aside?.groupHolder(group);
  }

  /** Seqs of the messages that hold its groups. */
  groupHolders(): Iterable<number> {
    return this.aside?.groupHolders() ?? NONE;
  }

  /** The groups that have messages of which only the place is kept. */
  groupsOnDisk(): Iterable<BusyGroup> {
    return this.aside?.groupsOnDisk() ?? NONE;
  }

  /** Takes in what was read of a group's waiting messages. */
  groupFetched(group: BusyGroup, wanted: readonly number[], messages: readonly StoredMessage[]): void {
    this.aside?.groupFetched(group, wanted, messages);
  }

  /** Takes a message that waits in memory out. @returns it, or undefined when it is leased, delayed or on disk. */
  takeWaiting(row: Pick<StoredMessage, "priority" | "seq" | "group">): StoredMessage | undefined {
    return this.lane(row.priority).list.remove(row) ?? this.aside?.take(row);
  }

  /** The list that keeps only the place of a message; undefined: it is leased, delayed, past its lane's cursor, or in memory. */
  listWithPlaceOf(row: Pick<StoredMessage, "priority" | "seq" | "group">): WaitingList | undefined {
    const { list } = this.lane(row.priority);
    return list.hasPlace(row) ? list : this.aside?.listWithPlaceOf(row);
  }

  /** Forgets a message of which only the place is kept: it has ended. */
  forgetPlace(row: Pick<StoredMessage, "priority" | "seq" | "group">): void {
    if (!this.lane(row.priority).list.forget(row)) this.aside?.forgetPlace(row);
  }

  /** Ends the hold of a message on its group, if it has one. */
  freeGroup({ group, seq }: Pick<StoredMessage, "group" | "seq">): void {
    if (group !== undefined) this.aside?.freeGroup(group, seq);
  }

  /** The messages of an id that are in memory, out or waiting. */
  *findInMemory(id: string): Iterable<StoredMessage> {
    const lease = this.leases.get(id);
    if (lease) yield lease.message;
    for (const message of this.waitingInMemory()) if (message.id === id) yield message;
  }

  /** Messages in memory that wait: in lanes, for their group, and for a namesake. */
  *waitingInMemory(): Iterable<StoredMessage> {
    for (const lane of this.lanes) yield* lane.list.inMemory();
    if (this.aside !== undefined) yield* this.aside.inMemory();
  }

  /** Ready messages that go before this one, as far as is known without reading them. */
  countAhead(message: Pick<StoredMessage, "priority" | "seq">): number {
    let count = 0;
    for (const lane of this.lanes) {
      if (lane.priority > message.priority) count += lane.readyCount;
      else if (lane.priority === message.priority) return count + lane.list.countBefore(message);
    }
    return count;
  }

  private takeFrom(lane: Lane): StoredMessage | undefined {
    for (let message = lane.list.shift(); message !== undefined; message = lane.list.shift()) {
      if (!this.setAside(message)) return message;
    }
    return undefined;
  }

  /** Notes whether a message went before one of lower priority that is older, or may be as far as is known. */
  private countPass({ priority, seq }: StoredMessage): void {
    for (const lane of this.lanes) {
      if (lane.priority >= priority || (lane.oldestPossible ?? Infinity) > seq) continue;
      this.passes++;
      return;
    }
    this.passes = 0;
  }

  private setAside(message: StoredMessage): boolean {
    if (this.aside?.awaitGroup(message)) return true;
    if (this.leases.get(message.id) === undefined) return false;
    this.setAsides().awaitNamesake(message);
    return true;
  }

  private setAsides(): SetAside {
    return (this.aside ??= new SetAside(this.budget, (message) => this.admit(message)));
  }

  /** @returns whether others of its id are ready now. */
  private releaseName(lease: Lease): boolean {
    const { id } = lease.message;
    this.leases.delete(id);
    this.heldBytes -= sizeOf(lease.message);
    return this.aside?.releaseNamesakes(id) ?? false;
  }
}

const NONE: readonly never[] = [];
