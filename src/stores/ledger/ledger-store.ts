import type { Durability } from "../../protocol/wire";
import { systemClock, type Clock } from "../../queue/clock";
import {
  inboxOwnerOf,
  PRIORITIES,
  type DeadLetter,
  type DeadSelection,
  type Delivery,
  type NewMessage,
  type QueueAddress,
  type RoomAddress,
  type Traces,
} from "../../queue/message";
import type {
  AppendResult,
  LeaseRequest,
  Membership,
  QueueStats,
  SettleRequest,
  SettleResult,
  Since,
  Store,
} from "../../queue/store";
import { Deadlines } from "./deadlines";
import { DeadRecords } from "./dead-records";
import { Intake } from "./intake";
import { countReplayed, type Journal, type StoredMessage } from "./journal";
import { Leasing } from "./leasing";
import { Ledger, type LedgerSettings } from "./ledger";
import { Paging } from "./paging";
import type { QueueState } from "./queue-state";
import { Settlements } from "./settlements";
import { Tracing } from "./tracing";

/**
 * A store for one process: which messages are ready, leased and by whom is kept in memory, what must survive is in a
 * journal. Leases need no journal: a restart ends them all, and the journal knows which messages may have been out.
 */
export class LedgerStore implements Store {
  readonly durability: Durability;
  private readonly ledger: Ledger;
  private readonly paging: Paging;
  private readonly deadlines: Deadlines;
  private readonly dead: DeadRecords;
  private readonly intake: Intake;
  private readonly settlements: Settlements;
  private readonly tracing: Tracing;
  private readonly leasing: Leasing;

  /** Opens the store on its journal. */
  static async open(
    journal: Journal,
    settings: LedgerSettings,
    clock: Pick<Clock, "soon"> = systemClock,
  ): Promise<LedgerStore> {
    const snapshot = await journal.load();
    const store = new LedgerStore(journal, settings, clock);
    store.ledger.restore(snapshot);
    return store;
  }

  private constructor(
    private readonly journal: Journal,
    settings: LedgerSettings,
    clock: Pick<Clock, "soon">,
  ) {
    this.durability = journal.durability;
    this.ledger = new Ledger(journal, settings, clock);
    this.paging = new Paging(this.ledger, (queue) => this.dead.readIn(queue));
    const becameReady = (queue: QueueState): void => {
      this.paging.shorten(queue);
      this.intake.keepWithin(queue);
    };
    this.dead = new DeadRecords(this.ledger, { becameReady, pageIn: (queue) => this.paging.pageIn(queue) });
    const died = (queue: QueueState): void => this.dead.trim(queue);
    this.deadlines = new Deadlines(this.ledger, { becameReady, died });
    this.intake = new Intake(this.ledger, (queue) => this.dead.makeRoom(queue));
    this.settlements = new Settlements(this.ledger, { died, cameBack: (queue) => this.intake.keepWithin(queue) });
    this.leasing = new Leasing(this.ledger, this.deadlines, this.settlements, (queue) => this.paging.pageIn(queue));
    this.tracing = new Tracing(this.ledger);
  }

  onHint(listener: (queue: QueueAddress) => void): void {
    this.ledger.hint = listener;
  }

  append(messages: readonly NewMessage[]): Promise<readonly AppendResult[]> {
    return this.intake.append(messages);
  }

  lease(
    address: QueueAddress,
    requests: readonly LeaseRequest[],
    now: number,
    leaseMs: number,
  ): Promise<readonly Delivery[]> {
    const queue = this.ledger.directory.queue(address);
    if (queue === undefined) return NO_DELIVERIES;
    return this.leasing.lease(queue, requests, now, now + leaseMs);
  }

  settle(requests: readonly SettleRequest[]): Promise<readonly SettleResult[]> {
    return this.settlements.settle(requests);
  }

  async expire(now: number): Promise<readonly Delivery[]> {
    if (now >= this.ledger.nextDue) await this.deadlines.makeDueReady(now);
    if (now >= this.ledger.nextExpiry) await this.deadlines.endExpired(now);
    const lapsed: Delivery[] = [];
    this.ledger.dropSettled();
    for (const queue of this.ledger.leasing) {
      if (queue.earliestDeadline > now) continue;
      queue.earliestDeadline = Infinity;
      for (const lease of queue.leases.values()) {
        if (lease.deadline <= now && lease.settling === undefined) lapsed.push(lease);
        queue.earliestDeadline = Math.min(queue.earliestDeadline, lease.deadline);
      }
    }
    return lapsed;
  }

  moveDeadlines(byMs: number): Promise<void> {
    // What came before is of the time before: it moves along once it has its place.
    this.intake.takeInAll();
    return this.deadlines.move(byMs);
  }

  async join(
    address: RoomAddress,
    inboxAddress: QueueAddress,
    since: Since | undefined,
    client: string,
  ): Promise<Membership> {
    const { ledger } = this;
    const room = ledger.directory.openRoom(address, client);
    // Whoever puts it in: one who invites many would have no queues left.
    const inbox = ledger.directory.openQueue(inboxAddress, inboxOwnerOf(inboxAddress) ?? client);
    if (since !== undefined) this.intake.refuseWhenFull(inbox);
    const { lastSeq } = ledger;
    // From here on the room's messages go to the inbox as well; the journal puts the history before them.
    const joining = room.beginJoin(inbox);
    const firstSeq = lastSeq + 1;
    const lanes = since === undefined ? [] : PRIORITY_NUMBERS.map((priority) => inbox.lane(priority));
    if (since !== undefined) ledger.lastSeq += ledger.settings.historyMessages;
    for (const lane of lanes) lane.beginSpill(firstSeq);
    let replayed: readonly number[] = [];
    try {
      const joined = await this.journal.join(room.no, inbox.no, since, firstSeq, lastSeq, joining.given);
      replayed = joined.replayed;
      const count = countReplayed(joined);
      inbox.total += count;
      inbox.bytes += joined.bytes;
      inbox.delayed += joined.delayed;
      inbox.heldBytes += joined.delayedBytes;
      // The next look finds out when.
      if (joined.delayed > 0) ledger.lookForDueAt(0);
      // The history may hold what has a time to live: the next look finds out until when.
      if (count > 0) ledger.lookForExpiryAt(0);
      joining.end(true);
      return { members: room.size, replayed: count, missing: joined.missing };
    } catch (error) {
      joining.end(false);
      throw error;
    } finally {
      for (const lane of lanes) lane.endSpill(replayed[lane.priority] ?? 0);
      if (lanes.length > 0) {
        this.intake.keepWithin(inbox);
        ledger.hint(inboxAddress);
      }
    }
  }

  async leave(address: RoomAddress, inboxAddress: QueueAddress): Promise<Membership> {
    const room = this.ledger.directory.room(address);
    const inbox = this.ledger.directory.queue(inboxAddress);
    if (room !== undefined && inbox !== undefined) {
      room.remove(inbox);
      // Also where it was not in it any more: that may still be on its way to the disk.
      await this.journal.leave(room.no, inbox.no);
    }
    return { members: room?.size ?? 0, replayed: 0, missing: undefined };
  }

  stats(address: QueueAddress): Promise<QueueStats> {
    const queue = this.ledger.directory.queue(address);
    return Promise.resolve({
      ready: queue?.ready ?? 0,
      delayed: queue?.delayed ?? 0,
      leased: queue?.leases.size ?? 0,
      bytes: queue?.bytes ?? 0,
      dead: queue?.dead ?? 0,
      expired: queue?.expired ?? 0,
      purged: queue?.purged ?? 0,
    });
  }

  trace(id: string, namespace: string, queue: QueueAddress | undefined): Promise<Traces> {
    return this.tracing.trace(id, namespace, queue);
  }

  deadLetters(
    queue: QueueAddress,
    selection: DeadSelection,
    limit: number,
    afterSeq: number,
  ): Promise<readonly DeadLetter[]> {
    return this.dead.list(queue, selection, limit, afterSeq);
  }

  redrive(queue: QueueAddress, selection: DeadSelection, now: number, everyMs: number): Promise<number> {
    return this.dead.redrive(queue, selection, now, everyMs, (state) => this.intake.refuseWithoutRoom(state));
  }

  purge(queue: QueueAddress, selection: DeadSelection): Promise<number> {
    return this.dead.purge(queue, selection);
  }

  probe(): Promise<void> {
    return this.journal.probe();
  }

  close(): Promise<void> {
    this.intake.takeInAll();
    const leased: StoredMessage[] = [];
    for (const queue of this.ledger.leasing) {
      for (const lease of queue.leases.values()) leased.push(lease.message);
    }
    return this.journal.close(leased, [...this.ledger.directory.groupHolders()]);
  }
}

const NO_DELIVERIES: Promise<readonly Delivery[]> = Promise.resolve([]);
const PRIORITY_NUMBERS = Array.from({ length: PRIORITIES }, (_, priority) => priority);
