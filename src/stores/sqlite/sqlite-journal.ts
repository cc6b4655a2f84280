import type { Clock } from "../../queue/clock";
import type { DeadLetter, DeadSelection, Ending, QueueAddress, RoomAddress } from "../../queue/message";
import type { Since } from "../../queue/store";
import type {
  AppendRow,
  Change,
  ExpiredRow,
  FoundRow,
  JoinedRow,
  Journal,
  RoomAppendRow,
  Snapshot,
  StoredMessage,
} from "../ledger/journal";
import { CallLine } from "./call-line";
import { packChange, packRow, unpackMessages } from "./calls";
import type { DiskSpace } from "./disk-space";
import type { StorageWorker } from "./storage-thread";

/** The journal in an SQLite file, kept by the storage thread. */
export class SqliteJournal implements Journal {
  readonly durability = "disk";
  private readonly addresses = new Map<number, QueueAddress>();
  private readonly line: CallLine;
  /** Called when the worker is gone: a close waits for it. */
  private ended: () => void = () => {};

  /** @param onBroken called once when the worker is lost, after which every call is refused. */
  constructor(
    worker: StorageWorker,
    private readonly clock: Clock,
    onBroken: (error: Error) => void,
    private readonly space?: DiskSpace,
  ) {
    this.line = new CallLine(worker, clock, onBroken, () => this.ended());
  }

  async load(): Promise<Snapshot> {
    await this.space?.start(() => this.line.call("reusable", null));
    const snapshot = await this.line.call("load", null);
    for (const { no, address } of snapshot.queues) this.addresses.set(no, address as QueueAddress);
    return snapshot;
  }

  addQueue(no: number, address: QueueAddress | RoomAddress, creator: string): void {
    this.addresses.set(no, address as QueueAddress);
    // The worker files it apart from everything else, so that no failed commit can take it back.
    this.line.call("queue", { no, address, creator }).catch(() => {});
  }

  async append(rows: readonly (AppendRow | RoomAppendRow)[]): Promise<readonly number[]> {
    this.space?.refuseWhenLow();
    const { packer, tally, answer } = this.line.gather("append", (packed, { copies }) => ({ rows: packed, copies }));
    const from = tally.rows;
    for (const row of rows) {
      packRow(packer, row);
      if ("copies" in row) tally.copies += row.copies.count;
    }
    tally.rows += rows.length;
    const duplicates = await answer;
    if (duplicates.length === 0) return NO_DUPLICATES;
    const firsts: number[] = [];
    for (let at = 0; at < duplicates.length; at += 2) {
      const index = (duplicates[at] ?? 0) - from;
      if (index >= 0 && index < rows.length) firsts[index] = duplicates[at + 1] ?? 0;
    }
    return firsts;
  }

  async firstSeqs(ids: readonly { readonly queueNo: number; readonly id: string }[]): Promise<readonly number[]> {
    return await this.line.call("firstSeqs", { ids: ids.map(({ queueNo, id }) => ({ queueNo, id })) });
  }

  async change(changes: readonly Change[]): Promise<void> {
    const now = this.clock.now();
    const { packer, answer } = this.line.gather("change", (packed) => ({ now, changes: packed }));
    for (const change of changes) packChange(packer, change);
    await answer;
  }

  async page(
    queueNo: number,
    priority: number,
    afterSeq: number,
    limit: number,
    limitBytes: number,
  ): Promise<readonly StoredMessage[]> {
    const page = await this.line.call("page", { queueNo, priority, afterSeq, limit, limitBytes });
    return unpackMessages(page, this.queueOf);
  }

  async due(now: number, limit: number): Promise<{ messages: readonly StoredMessage[]; next: number | undefined }> {
    const { messages, next } = await this.line.call("due", { now, limit });
    return { messages: unpackMessages(messages, this.queueOf), next };
  }

  async expired(
    now: number,
    limit: number,
  ): Promise<{ readonly rows: readonly ExpiredRow[]; readonly next: number | undefined }> {
    return await this.line.call("expired", { now, limit });
  }

  async join(
    roomNo: number,
    inboxNo: number,
    since: Since | undefined,
    firstSeq: number,
    lastSeq: number,
  ): Promise<JoinedRow> {
    return await this.line.call("join", { roomNo, inboxNo, since, firstSeq, lastSeq, now: this.clock.now() });
  }

  async leave(roomNo: number, inboxNo: number): Promise<void> {
    await this.line.call("leave", { roomNo, inboxNo });
  }

  async fetch(
    seqs: readonly number[],
    limitBytes: number,
  ): Promise<{ messages: readonly StoredMessage[]; read: number }> {
    const { messages, read } = await this.line.call("fetch", { seqs, limitBytes });
    return { messages: unpackMessages(messages, this.queueOf), read };
  }

  async moveDeadlines(byMs: number): Promise<void> {
    await this.line.call("move", { byMs });
  }

  async find(
    id: string,
    queueNo: number | undefined,
    afterSeq: number,
    limit: number,
  ): Promise<{ readonly found: readonly FoundRow[]; readonly next: number | undefined }> {
    const { messages, dueAts, next } = await this.line.call("find", { id, queueNo, afterSeq, limit });
    const found = unpackMessages(messages, this.queueOf).map((message, index): FoundRow => {
      const dueAt = dueAts[index];
      return { message, dueAt: Number.isNaN(dueAt) ? undefined : dueAt };
    });
    return { found, next };
  }

  async endings(
    id: string,
    queueNo: number | undefined,
    limit: number,
  ): Promise<readonly { readonly queueNo: number; readonly ending: Ending }[]> {
    return await this.line.call("endings", { id, queueNo, limit });
  }

  async deadLetters(
    queueNo: number,
    selection: DeadSelection,
    limit: number,
    afterSeq: number,
  ): Promise<readonly DeadLetter[]> {
    const letters = await this.line.call("deadLetters", { queueNo, selection, limit, afterSeq });
    const queue = this.queueOf(queueNo);
    return letters.map((letter) => ({ ...letter, message: { ...letter.message, queue } }));
  }

  async redrive(
    queueNo: number,
    selection: DeadSelection,
    afterSeq: number,
    limit: number,
    spread: { readonly from: number; readonly everyMs: number } | undefined,
  ): Promise<readonly StoredMessage[]> {
    const redriven = await this.line.call("redrive", { queueNo, selection, afterSeq, limit, spread });
    return unpackMessages(redriven, this.queueOf);
  }

  async purge(queueNo: number, selection: DeadSelection, limit: number): Promise<number> {
    return await this.line.call("purge", { queueNo, selection, limit, now: this.clock.now() });
  }

  async purgeOldest(queueNo: number, limit: number): Promise<number> {
    return await this.line.call("purgeOldest", { queueNo, limit, now: this.clock.now() });
  }

  async probe(): Promise<void> {
    await this.line.call("probe", null);
  }

  async close(leased: readonly StoredMessage[]): Promise<void> {
    this.space?.stop();
    if (this.line.isBroken) return;
    const ended = new Promise<void>((resolve) => (this.ended = resolve));
    await this.line.call("close", { attempts: leased.flatMap((message) => [message.seq, message.attempts]) });
    await ended;
  }

  private readonly queueOf = (no: number): QueueAddress => {
    const address = this.addresses.get(no);
    if (address === undefined) throw new Error(`a stored message is of queue ${no}, which is not filed`);
    return address;
  };
}

const NO_DUPLICATES: readonly number[] = [];
