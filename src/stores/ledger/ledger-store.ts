import { WaybillError } from "../../protocol/errors";
import type { Durability } from "../../protocol/wire";
import { systemClock, type Clock } from "../../queue/clock";
import {
  isRoomAddress,
  PRIORITIES,
  roomNameOf,
  sizeOf,
  type DeadLetter,
  type Delivery,
  type NewMessage,
  type QueueAddress,
  type RoomAddress,
} from "../../queue/message";
import type {
  AppendResult,
  LeaseRequest,
  Membership,
  QueueStats,
  Settlement,
  SettleRequest,
  SettleResult,
  Since,
  Store,
} from "../../queue/store";
import type { AppendRow, Change, ExpiredRow, Journal, RoomAppendRow, Snapshot, StoredMessage } from "./journal";
import { Directory } from "./directory";
import type { Lease, QueueState, SettleBatch } from "./queue-state";
import { RecentAcks } from "./recent-acks";

export interface LedgerSettings {
  /** Messages in one queue past which publishes to it are refused. */
  readonly maxQueueMessages: number;
  /** Queues and rooms that may exist. */
  readonly maxQueues: number;
  /** Ready messages of all queues that are kept in memory, in bytes; the rest is paged in. */
  readonly residentBytes: number;
  /** Ready messages of one priority of one queue that are kept in memory. */
  readonly laneWindow: number;
  /** Messages of a room's history that are kept. */
  readonly historyMessages: number;
}

/** Messages read from the disk at once, and how few are left when the next are fetched. */
const PAGE = 1_024;
const PAGE_BYTES = 2 ** 20;
/** Due or expired messages handled at once; the rest waits for the next look. */
const SWEEP = 2_000;

/**
 * A store for one process: which messages are ready, leased and by whom is kept in memory, what must survive is in a
 * journal. Leases need no journal: a restart ends them all, and the journal knows which messages may have been out.
 */
export class LedgerStore implements Store {
  readonly durability: Durability;
  private readonly directory: Directory;
  private readonly recentAcks = new RecentAcks();
  private readonly leasing = new Set<QueueState>();
  private hint: (queue: QueueAddress) => void = () => {};
  private lastSeq = 0;
  private residentBytes = 0;
  private nextDue = Infinity;
  private nextExpiry = Infinity;

  /** Opens the store on its journal. */
  static async open(journal: Journal, settings: LedgerSettings, clock: Clock = systemClock): Promise<LedgerStore> {
    const snapshot = await journal.load();
    const store = new LedgerStore(journal, settings, clock);
    store.restore(snapshot);
    return store;
  }

  private constructor(
    private readonly journal: Journal,
    private readonly settings: LedgerSettings,
    private readonly clock: Pick<Clock, "now">,
  ) {
    this.durability = journal.durability;
    this.directory = new Directory(journal, settings.maxQueues);
  }

  onHint(listener: (queue: QueueAddress) => void): void {
    this.hint = listener;
  }

  async append(messages: readonly NewMessage[]): Promise<readonly AppendResult[]> {
    const results: AppendResult[] = [];
    const rows: (AppendRow | RoomAppendRow)[] = [];
    const places: number[] = [];
    for (const message of messages) {
      const row = this.planRow(message);
      if (row instanceof WaybillError) {
        results.push({ error: row });
        continue;
      }
      places.push(results.push({ status: "stored", seq: row.message.seq }) - 1);
      rows.push(row);
    }
    if (rows.length === 0) return results;
    let firsts: readonly number[];
    try {
      firsts = await this.journal.append(rows, messages[0]?.publishedAt ?? 0);
    } catch (error) {
      for (const row of rows) this.endAppend(row, false);
      throw error;
    }
    const touched = new Set<QueueAddress>();
    for (const [index, row] of rows.entries()) {
      const first = firsts[index] ?? 0;
      this.endAppend(row, first === 0, touched);
      const place = places[index];
      if (first !== 0 && place !== undefined) results[place] = { status: "duplicate", seq: first };
    }
    for (const queue of touched) this.hint(queue);
    return results;
  }

  lease(
    address: QueueAddress,
    requests: readonly LeaseRequest[],
    now: number,
    leaseMs: number,
  ): Promise<readonly Delivery[]> {
    const queue = this.directory.queue(address);
    if (queue === undefined) return NO_DELIVERIES;
    const deliveries = this.deal(queue, requests, now, now + leaseMs);
    if (queue.leases.size > 0) this.leasing.add(queue);
    this.pageIn(queue);
    return Promise.resolve(deliveries);
  }

  async settle(requests: readonly SettleRequest[]): Promise<readonly SettleResult[]> {
    const results: SettleResult[] = [];
    const settling: Settling[] = [];
    const changes: Change[] = [];
    const batch: SettleBatch = { stored: undefined };
    /** Batches with an ack that was said again: "already" is answered only when it is stored. */
    const awaited = new Set([batch]);
    for (const request of requests) {
      const queue = this.directory.queue(request.queue);
      const lease = queue?.leases.get(request.id);
      if (
        queue === undefined ||
        lease === undefined ||
        lease.attempt !== request.attempt ||
        lease.holder !== request.holder
      ) {
        const acked = queue !== undefined && this.recentAcks.has(queue.no, request.id, request.attempt);
        results.push(acked && request.settlement.action === "ack" ? "already" : "lost");
        continue;
      }
      if (lease.settling !== undefined) {
        const isSecondAck = request.settlement.action === "ack" && lease.settling.action === "ack";
        if (isSecondAck) awaited.add(lease.settling.batch);
        results.push(isSecondAck ? "already" : "lost");
        continue;
      }
      results.push("done");
      if (request.settlement.action === "extend") {
        lease.deadline = request.settlement.deadline;
        queue.earliestDeadline = Math.min(queue.earliestDeadline, lease.deadline);
        continue;
      }
      lease.settling = { action: request.settlement.action, batch };
      settling.push({ lease, queue, settlement: request.settlement });
      changes.push(changeFor(lease, request.settlement));
    }
    if (changes.length > 0) batch.stored = this.commit(changes, settling);
    for (const { stored } of awaited) await stored;
    return results;
  }

  async expire(now: number): Promise<readonly Delivery[]> {
    if (now >= this.nextDue) await this.makeDueReady(now);
    if (now >= this.nextExpiry) await this.endExpired(now);
    const lapsed: Delivery[] = [];
    for (const queue of this.leasing) {
      if (queue.leases.size === 0) this.leasing.delete(queue);
      if (queue.earliestDeadline > now) continue;
      queue.earliestDeadline = Infinity;
      for (const lease of queue.leases.values()) {
        if (lease.deadline <= now && lease.settling === undefined) lapsed.push(lease);
        queue.earliestDeadline = Math.min(queue.earliestDeadline, lease.deadline);
      }
    }
    return lapsed;
  }

  async join(address: RoomAddress, inboxAddress: QueueAddress, since: Since | undefined): Promise<Membership> {
    const room = this.directory.openRoom(address);
    const inbox = this.directory.openQueue(inboxAddress);
    if (since !== undefined) this.refuseWhenFull(inbox);
    const lastSeq = this.lastSeq;
    // From here on the room's messages go to the inbox as well; the journal puts the history before them.
    const endJoin = room.beginJoin(inbox);
    const firstSeq = lastSeq + 1;
    const lanes = since === undefined ? [] : PRIORITY_NUMBERS.map((priority) => inbox.lane(priority));
    if (since !== undefined) this.lastSeq += this.settings.historyMessages;
    for (const lane of lanes) lane.beginSpill(firstSeq);
    let replayed: readonly number[] = [];
    try {
      const joined = await this.journal.join(room.no, inbox.no, since, firstSeq, lastSeq);
      replayed = joined.replayed;
      const count = replayed.reduce((sum, each) => sum + each, 0);
      inbox.total += count;
      // The history may hold what has a time to live: the next look finds out until when.
      if (count > 0) this.lookForExpiryAt(0);
      endJoin(true);
      return { members: room.size, replayed: count, missing: joined.missing };
    } catch (error) {
      endJoin(false);
      throw error;
    } finally {
      for (const lane of lanes) lane.endSpill(replayed[lane.priority] ?? 0);
      if (lanes.length > 0) this.hint(inboxAddress);
    }
  }

  async leave(address: RoomAddress, inboxAddress: QueueAddress): Promise<Membership> {
    const room = this.directory.room(address);
    const inbox = this.directory.queue(inboxAddress);
    if (room !== undefined && inbox !== undefined && room.has(inbox)) {
      const endLeave = room.beginLeave(inbox);
      await this.journal.leave(room.no, inbox.no);
      endLeave();
    }
    return { members: room?.size ?? 0, replayed: 0, missing: undefined };
  }

  stats(address: QueueAddress): Promise<QueueStats> {
    const queue = this.directory.queue(address);
    return Promise.resolve({
      ready: queue?.ready ?? 0,
      delayed: queue?.delayed ?? 0,
      leased: queue?.leases.size ?? 0,
      dead: queue?.dead ?? 0,
      expired: queue?.expired ?? 0,
    });
  }

  async deadLetters(address: QueueAddress, limit: number, afterSeq: number): Promise<readonly DeadLetter[]> {
    const queue = this.directory.queue(address);
    return queue === undefined ? [] : this.journal.deadLetters(queue.no, limit, afterSeq);
  }

  async redrive(address: QueueAddress, ids: readonly string[] | undefined): Promise<number> {
    const queue = this.directory.queue(address);
    if (queue === undefined) return 0;
    // What dies again meanwhile waits for the next redrive.
    const diedBy = this.clock.now();
    let redriven = 0;
    for (let more = true; more;) {
      this.refuseWhenFull(queue);
      const messages = await this.journal.redrive(queue.no, ids, diedBy, SWEEP);
      for (const message of messages) this.revive(queue, message);
      redriven += messages.length;
      if (messages.length > 0) this.hint(address);
      more = ids === undefined && messages.length === SWEEP;
    }
    return redriven;
  }

  async purge(address: QueueAddress, ids: readonly string[] | undefined): Promise<number> {
    const queue = this.directory.queue(address);
    if (queue === undefined) return 0;
    const purged = await this.journal.purge(queue.no, ids);
    queue.dead -= purged;
    return purged;
  }

  probe(): Promise<void> {
    return this.journal.probe();
  }

  close(): Promise<void> {
    const leased: StoredMessage[] = [];
    for (const queue of this.leasing) {
      for (const lease of queue.leases.values()) leased.push(lease.message);
    }
    return this.journal.close(leased);
  }

  private restore(snapshot: Snapshot): void {
    this.lastSeq = snapshot.lastSeq;
    this.nextDue = snapshot.nextDue ?? Infinity;
    this.nextExpiry = snapshot.nextExpiry ?? Infinity;
    this.directory.restore(snapshot);
  }

  private planRow(message: NewMessage): AppendRow | RoomAppendRow | WaybillError {
    try {
      return isRoomAddress(message.target)
        ? this.planRoomRow(message, message.target)
        : this.planQueueRow(message, this.directory.openQueue(message.target), undefined);
    } catch (error) {
      if (error instanceof WaybillError) return error;
      throw error;
    }
  }

  private planRoomRow(message: NewMessage, address: RoomAddress): RoomAppendRow {
    const room = this.directory.openRoom(address);
    const stored = this.storedMessage(message, room.no, address as unknown as QueueAddress, undefined, 0);
    const inboxes = [...room.inboxes()];
    // Before the first copy is planned: a message goes to all members or to none.
    for (const inbox of inboxes) this.refuseWhenFull(inbox);
    const copies = inboxes.map((inbox) => this.planQueueRow(message, inbox, stored));
    return { message: stored, dueAt: message.dueAt, copies };
  }

  private planQueueRow(message: NewMessage, queue: QueueState, roomMessage: StoredMessage | undefined): AppendRow {
    this.refuseWhenFull(queue);
    const room = roomMessage && roomNameOf(message.target as RoomAddress);
    const stored = this.storedMessage(message, queue.no, queue.address, room, roomMessage?.seq ?? 0);
    queue.total++;
    if (message.dueAt !== undefined) return { message: stored, dueAt: message.dueAt, resident: false };
    const lane = queue.lane(message.priority);
    const resident =
      lane.open && lane.claimed < this.settings.laneWindow && this.residentBytes < this.settings.residentBytes;
    if (resident) {
      lane.beginReserve();
      this.residentBytes += sizeOf(stored);
    } else {
      lane.beginSpill(stored.seq);
    }
    return { message: stored, dueAt: undefined, resident };
  }

  private refuseWhenFull(queue: QueueState): void {
    if (queue.total < this.settings.maxQueueMessages) return;
    throw new WaybillError("QUEUE_FULL", `${queue.address} holds ${queue.total} messages, as many as it may.`);
  }

  private storedMessage(
    message: NewMessage,
    queueNo: number,
    queue: QueueAddress,
    room: string | undefined,
    body: number,
  ): StoredMessage {
    return {
      seq: ++this.lastSeq,
      queueNo,
      queue,
      id: message.id,
      event: message.event,
      payload: message.payload,
      priority: message.priority,
      group: message.group,
      headers: message.headers,
      publisher: message.publisher,
      publishedAt: message.publishedAt,
      expiresAt: message.expiresAt,
      room,
      body,
      attempts: 0,
      failures: 0,
    };
  }

  private endAppend(row: AppendRow | RoomAppendRow, stored: boolean, touched?: Set<QueueAddress>): void {
    if ("copies" in row) {
      for (const copy of row.copies) this.endAppend(copy, stored, touched);
      return;
    }
    const { message, dueAt, resident } = row;
    const queue = this.directory.queueNo(message.queueNo);
    if (queue === undefined) return;
    if (!stored) queue.total--;
    else this.lookForExpiryAt(message.expiresAt);
    if (dueAt !== undefined) {
      if (!stored) return;
      queue.delayed++;
      this.nextDue = Math.min(this.nextDue, dueAt);
      return;
    }
    const lane = queue.lane(message.priority);
    if (resident) {
      lane.endReserve();
      if (stored) lane.insert(message);
      else this.residentBytes -= sizeOf(message);
    } else {
      lane.endSpill(stored ? 1 : 0);
    }
    if (stored) touched?.add(queue.address);
  }

  /** Deals ready messages out, one to each request in turn. */
  private deal(queue: QueueState, requests: readonly LeaseRequest[], now: number, deadline: number): Lease[] {
    const dealt: Lease[] = [];
    const open = requests.map(({ holder, limit, limitBytes }) => ({ holder, limit, limitBytes }));
    for (let turn = 0; open.length > 0; turn++) {
      const place = turn % open.length;
      const request = open[place];
      const message = request && this.takeReady(queue, now);
      if (request === undefined || message === undefined) break;
      dealt.push(queue.lease(message, request.holder, deadline));
      request.limit--;
      request.limitBytes -= sizeOf(message);
      if (request.limit > 0 && request.limitBytes > 0) continue;
      open.splice(place, 1);
      turn = place - 1;
    }
    return dealt;
  }

  private takeReady(queue: QueueState, now: number): StoredMessage | undefined {
    for (;;) {
      const message = queue.takeNext();
      if (message === undefined) return undefined;
      this.residentBytes -= sizeOf(message);
      if (message.expiresAt === undefined || message.expiresAt > now) return message;
      void this.endInMemory(queue, message);
    }
  }

  /** Ends a message that was taken out of memory because its time to live has passed. */
  private endInMemory(queue: QueueState, message: StoredMessage): Promise<void> {
    return this.journal.change([{ kind: "expire", row: message }]).then(
      () => this.countExpired(queue, message),
      () => {
        queue.putBack(message);
        this.residentBytes += sizeOf(message);
        this.lookForExpiryAt(message.expiresAt);
      },
    );
  }

  private lookForExpiryAt(time: number | undefined): void {
    if (time !== undefined && time < this.nextExpiry) this.nextExpiry = time;
  }

  private countExpired(queue: QueueState, message: Pick<StoredMessage, "group" | "seq">): void {
    queue.total--;
    queue.expired++;
    queue.freeGroup(message);
    this.hint(queue.address);
  }

  private pageIn(queue: QueueState): void {
    for (const lane of queue.lanesInOrder()) {
      if (lane.onDisk === 0) continue;
      // Lower lanes are not given out before this one, so they need no pages yet.
      if (lane.paging || lane.length >= PAGE / 2) return;
      lane.paging = true;
      const room = Math.max(this.settings.residentBytes - this.residentBytes, PAGE_BYTES / 16);
      this.journal.page(queue.no, lane.priority, lane.pageAfter, PAGE, Math.min(PAGE_BYTES, room)).then(
        (page) => {
          for (const message of page) this.residentBytes += sizeOf(message);
          lane.endPage(page);
          this.hint(queue.address);
        },
        // The dispatcher's poll asks again.
        () => (lane.paging = false),
      );
      return;
    }
  }

  private async commit(changes: readonly Change[], settling: readonly Settling[]): Promise<void> {
    try {
      await this.journal.change(changes);
    } catch (error) {
      for (const { lease } of settling) lease.settling = undefined;
      throw error;
    }
    for (const each of settling) this.applySettlement(each);
  }

  private applySettlement({ lease, queue, settlement }: Settling): void {
    switch (settlement.action) {
      case "ack":
        queue.total--;
        queue.endLease(lease);
        this.recentAcks.add(queue.no, lease.message.id, lease.attempt);
        return;
      case "dead":
        queue.total--;
        queue.dead++;
        queue.endLease(lease);
        return;
      case "retry": {
        if (settlement.failed) lease.message.failures++;
        const { dueAt } = settlement;
        // Its time may have passed while it was out.
        this.lookForExpiryAt(lease.message.expiresAt);
        if (dueAt !== undefined) this.nextDue = Math.min(this.nextDue, dueAt);
        else this.residentBytes += sizeOf(lease.message);
        queue.returnLease(lease, dueAt !== undefined);
        return;
      }
    }
  }

  /** A dead letter is a message of its queue again. */
  private revive(queue: QueueState, message: StoredMessage): void {
    queue.dead--;
    queue.total++;
    if (queue.lane(message.priority).covers(message.seq)) this.residentBytes += sizeOf(message);
    queue.admit(message);
  }

  private async makeDueReady(now: number): Promise<void> {
    const { messages, next } = await this.journal.due(now, SWEEP);
    this.nextDue = next ?? Infinity;
    const touched = new Set<QueueState>();
    for (const message of messages) {
      const queue = this.directory.queueNo(message.queueNo);
      if (queue === undefined) continue;
      queue.delayed--;
      if (queue.lane(message.priority).covers(message.seq)) this.residentBytes += sizeOf(message);
      queue.admit(message);
      touched.add(queue);
    }
    for (const queue of touched) this.hint(queue.address);
  }

  private async endExpired(now: number): Promise<void> {
    const { rows, next } = await this.journal.expired(now, SWEEP + this.leasedCount());
    this.nextExpiry = next ?? Infinity;
    const ends: Promise<void>[] = [];
    const onDisk: { row: ExpiredRow; queue: QueueState }[] = [];
    for (const row of rows) {
      const queue = this.directory.queueNo(row.queueNo);
      if (queue === undefined) continue;
      const lane = queue.lane(row.priority);
      if (!row.delayed && lane.covers(row.seq)) {
        // One that is out expires when it comes back.
        const message = queue.takeWaiting(row);
        if (message === undefined) continue;
        this.residentBytes -= sizeOf(message);
        ends.push(this.endInMemory(queue, message));
      } else if (!row.delayed && lane.paging) {
        // A page under way may bring it into memory.
        this.lookForExpiryAt(now);
      } else {
        onDisk.push({ row, queue });
      }
    }
    await Promise.all([...ends, this.endOnDisk(onDisk, now)]);
  }

  /** Ends messages that are not in memory. Meanwhile their lanes are not paged in: what is ending must not go out. */
  private async endOnDisk(rows: readonly { row: ExpiredRow; queue: QueueState }[], now: number): Promise<void> {
    if (rows.length === 0) return;
    const lanes = new Set(rows.flatMap(({ row, queue }) => (row.delayed ? [] : [queue.lane(row.priority)])));
    for (const lane of lanes) lane.paging = true;
    try {
      await this.journal.change(rows.map(({ row }) => ({ kind: "expire", row })));
    } catch (error) {
      this.lookForExpiryAt(now);
      throw error;
    } finally {
      for (const lane of lanes) lane.paging = false;
    }
    for (const { row, queue } of rows) {
      if (row.delayed) queue.delayed--;
      else queue.lane(row.priority).forgetOnDisk();
      this.countExpired(queue, row);
    }
  }

  private leasedCount(): number {
    let count = 0;
    for (const queue of this.leasing) count += queue.leases.size;
    return count;
  }
}

/** A settlement on its way to the disk. */
interface Settling {
  readonly lease: Lease;
  readonly queue: QueueState;
  readonly settlement: Exclude<Settlement, { action: "extend" }>;
}

const NO_DELIVERIES: Promise<readonly Delivery[]> = Promise.resolve([]);
const PRIORITY_NUMBERS = Array.from({ length: PRIORITIES }, (_, priority) => priority);

function changeFor({ message, holder }: Lease, settlement: Exclude<Settlement, { action: "extend" }>): Change {
  switch (settlement.action) {
    case "ack":
      return { kind: "remove", row: message };
    case "dead":
      return { kind: "dead", message, reason: settlement.reason, holder, failures: message.failures + 1 };
    case "retry":
      return {
        kind: "retry",
        message,
        dueAt: settlement.dueAt,
        failures: message.failures + (settlement.failed ? 1 : 0),
      };
  }
}
