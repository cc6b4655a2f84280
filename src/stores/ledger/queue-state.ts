import { PRIORITIES, type Delivery, type QueueAddress } from "../../queue/message";
import type { Settlement } from "../../queue/store";
import type { StoredMessage } from "./journal";
import { Lane } from "./lane";

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

/** A group with a message out, or one that goes before all others of it. */
interface BusyGroup {
  /** The message that holds the group. */
  seq: number;
  /** Its other messages whose turn came meanwhile; those before `head` have left. */
  readonly parked: (StoredMessage | undefined)[];
  head: number;
}

/** One queue as it stands in memory: what is ready, what is out, and which groups are busy. */
export class QueueState {
  readonly leases = new Map<string, Lease>();
  /** No lease of this queue runs out before this time. */
  earliestDeadline = Infinity;
  delayed = 0;
  dead = 0;
  expired = 0;
  /** Stored and unsettled messages, and those on their way to be stored. */
  total = 0;
  private readonly lanes: (Lane | undefined)[] = [];
  private readonly groups = new Map<string, BusyGroup>();
  /** Messages whose id equals that of one that is out: `(id, attempt)` must name one delivery. */
  private readonly namesakes = new Map<string, StoredMessage[]>();
  private waiting = 0;

  constructor(
    readonly no: number,
    readonly address: QueueAddress,
  ) {}

  lane(priority: number): Lane {
    return (this.lanes[priority] ??= new Lane(priority));
  }

  /** The lanes that exist, highest priority first. */
  *lanesInOrder(): Iterable<Lane> {
    for (let priority = PRIORITIES - 1; priority >= 0; priority--) {
      const lane = this.lanes[priority];
      if (lane !== undefined) yield lane;
    }
  }

  /** Ready messages, on disk or in memory, with those that wait for their group. */
  get ready(): number {
    let count = this.waiting;
    for (const lane of this.lanes) count += lane?.readyCount ?? 0;
    return count;
  }

  /** Takes the next message that may go out, or undefined. Those that have to wait for another are set aside. */
  takeNext(): StoredMessage | undefined {
    for (let priority = PRIORITIES - 1; priority >= 0; priority--) {
      const lane = this.lanes[priority];
      if (lane === undefined) continue;
      for (let message = lane.shift(); message !== undefined; message = lane.shift()) {
        if (!this.setAside(message)) return message;
      }
      // The rest of this lane is on its way from the disk, and goes before lower ones.
      if (lane.onDisk > 0) return undefined;
    }
    return undefined;
  }

  /** Puts a message that `takeNext` gave back where it was. */
  putBack(message: StoredMessage): void {
    this.lane(message.priority).insert(message);
  }

  lease(message: StoredMessage, holder: string, deadline: number): Lease {
    message.attempts++;
    const lease: Lease = { message, attempt: message.attempts, holder, deadline, settling: undefined };
    this.leases.set(message.id, lease);
    if (deadline < this.earliestDeadline) this.earliestDeadline = deadline;
    if (message.group !== undefined && !this.groups.has(message.group)) {
      this.groups.set(message.group, { seq: message.seq, parked: [], head: 0 });
    }
    return lease;
  }

  /** Ends a lease whose message is gone for good. */
  endLease(lease: Lease): void {
    this.releaseName(lease);
    this.freeGroup(lease.message);
  }

  /** Ends a lease whose message comes back: its group stays busy with it, so that order survives the retry. */
  returnLease(lease: Lease, delayed: boolean): void {
    this.releaseName(lease);
    const { message } = lease;
    if (delayed) this.delayed++;
    else this.admit(message);
  }

  /** Adds a message that is ready: to memory if its lane reaches that far, else it is on disk and counted. */
  admit(message: StoredMessage): void {
    const lane = this.lane(message.priority);
    if (lane.covers(message.seq)) lane.insert(message);
    else lane.onDisk++;
  }

  /** Marks a group busy with a message that waits for its turn or its next attempt. */
  holdGroup(group: string, seq: number): void {
    if (!this.groups.has(group)) this.groups.set(group, { seq, parked: [], head: 0 });
  }

  /** Takes a message that waits in memory out. @returns it, or undefined when it is leased, delayed or on disk. */
  takeWaiting(row: Pick<StoredMessage, "priority" | "seq" | "group">): StoredMessage | undefined {
    return this.lane(row.priority).remove(row.seq) ?? this.takeAside(row);
  }

  /** Ends the hold of a message on its group, if it has one. */
  freeGroup({ group, seq }: Pick<StoredMessage, "group" | "seq">): void {
    if (group === undefined) return;
    const busy = this.groups.get(group);
    if (busy === undefined || busy.seq !== seq) return;
    const next = busy.parked[busy.head];
    if (next === undefined) {
      this.groups.delete(group);
      return;
    }
    // The group passes on to its next message: freeing the rest would only have them parked again.
    busy.parked[busy.head++] = undefined;
    if (busy.head >= 1024 && busy.head * 2 >= busy.parked.length) {
      busy.parked.splice(0, busy.head);
      busy.head = 0;
    }
    busy.seq = next.seq;
    this.waiting--;
    this.admit(next);
  }

  private setAside(message: StoredMessage): boolean {
    const busy = message.group === undefined ? undefined : this.groups.get(message.group);
    if (busy !== undefined && busy.seq !== message.seq) {
      park(busy, message);
      this.waiting++;
      return true;
    }
    if (!this.leases.has(message.id)) return false;
    // Its turn has come: the rest of its group does not go before it.
    if (message.group !== undefined) this.holdGroup(message.group, message.seq);
    const namesakes = this.namesakes.get(message.id);
    if (namesakes) namesakes.push(message);
    else this.namesakes.set(message.id, [message]);
    this.waiting++;
    return true;
  }

  private releaseName(lease: Lease): void {
    const { id } = lease.message;
    this.leases.delete(id);
    const namesakes = this.namesakes.size > 0 ? this.namesakes.get(id) : undefined;
    if (namesakes === undefined) return;
    this.namesakes.delete(id);
    for (const message of namesakes) {
      this.waiting--;
      this.admit(message);
    }
  }

  private takeAside({ group, seq }: Pick<StoredMessage, "group" | "seq">): StoredMessage | undefined {
    if (this.waiting === 0) return undefined;
    const parked = group === undefined ? undefined : this.groups.get(group)?.parked;
    for (const list of [...(parked ? [parked] : []), ...this.namesakes.values()]) {
      const at = list.findIndex((message) => message?.seq === seq);
      if (at < 0) continue;
      this.waiting--;
      return list.splice(at, 1)[0];
    }
    return undefined;
  }
}

/** Puts a message in its place among those of its group: mostly the last; before others where it was delayed. */
function park({ parked, head }: BusyGroup, message: StoredMessage): void {
  let at = parked.length;
  for (; at > head; at--) {
    const before = parked[at - 1];
    if (
      before &&
      (before.priority > message.priority || (before.priority === message.priority && before.seq < message.seq))
    )
      break;
  }
  parked.splice(at, 0, message);
}
