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
import { fitsBlock } from "./block";
import { CallLine } from "./call-line";
import { unpackMessages } from "./calls";
import type { DiskSpace } from "./disk-space";
import { BlockGatherer, ChangeGatherer, RowGatherer } from "./gatherers";
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
    /** Messages of one turn that are stored in a block, at the least. */
    private readonly leastInBlock = LEAST_IN_BLOCK,
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
    const parts: AppendedPart[] = [];
    for (let next = 0; next < rows.length;) {
      const part = this.gatherBlock(rows, next) ?? this.gatherRows(rows, next);
      parts.push(part);
      next += part.count;
    }
    const firsts = new Array<number>(rows.length).fill(0);
    const last = parts.pop();
    for (const part of parts) part.answer.then((duplicates) => noteDuplicates(firsts, part, duplicates), ignore);
    // They are answered in order, and share their fate. One wait and no more: calls resolve in the order in which they were made.
    if (last !== undefined) noteDuplicates(firsts, last, await last.answer);
    return firsts;
  }

  async firstSeqs(ids: readonly { readonly queueNo: number; readonly id: string }[]): Promise<readonly number[]> {
    return await this.line.call("firstSeqs", { ids: ids.map(({ queueNo, id }) => ({ queueNo, id })) });
  }

  async change(changes: readonly Change[]): Promise<void> {
    const now = this.clock.now();
    const { into, answer } = this.line.gather("change", () => new ChangeGatherer(now));
    for (const change of changes) into.add(change);
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
    given: readonly number[],
  ): Promise<JoinedRow> {
    return await this.line.call("join", { roomNo, inboxNo, since, firstSeq, lastSeq, given, now: this.clock.now() });
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
    await this.line.call("move", { byMs, before: this.clock.now() - byMs });
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

  async close(leased: readonly StoredMessage[], groupHolders: readonly number[]): Promise<void> {
    this.space?.stop();
    if (this.line.isBroken) return;
    const ended = new Promise<void>((resolve) => (this.ended = resolve));
    const attempts = leased.flatMap((message) => [message.seq, message.attempts]);
    await this.line.call("close", { attempts, groupHolders });
    await ended;
  }

  /** Those from here on that can share rows; undefined: the first one cannot. */
  private gatherBlock(rows: readonly (AppendRow | RoomAppendRow)[], first: number): AppendedPart | undefined {
    let next = first;
    let part: AppendedPart | undefined;
    for (let row = rows[next]; row && !("copies" in row) && fitsBlock(row); row = rows[++next]) {
      const { into, answer } = this.line.gather("appendBlocks", () => new BlockGatherer(this.leastInBlock));
      part ??= { place: first, from: into.count, count: 0, answer };
      into.add(row);
      part.count++;
    }
    return part;
  }

  /** Those from here on that get rows of their own. */
  private gatherRows(rows: readonly (AppendRow | RoomAppendRow)[], first: number): AppendedPart {
    const { into, answer } = this.line.gather("append", () => new RowGatherer());
    const from = into.count;
    let next = first;
    for (let row = rows[next]; row && ("copies" in row || !fitsBlock(row)); row = rows[++next]) into.add(row);
    return { place: first, from, count: into.count - from, answer };
  }

  private readonly queueOf = (no: number): QueueAddress => {
    const address = this.addresses.get(no);
    if (address === undefined) throw new Error(`a stored message is of queue ${no}, which is not filed`);
    return address;
  };
}

/**
 * Messages of one turn that share rows, at the least: of a few, a row each costs less, and what has to be known in memory of
 * shared rows stays little for each message.
 */
const LEAST_IN_BLOCK = 8;

/** What of an append goes in one call. */
interface AppendedPart {
  /** Where in the append it begins, and where in the call. */
  readonly place: number;
  readonly from: number;
  count: number;
  readonly answer: Promise<readonly number[]>;
}

/** @param firsts for each message 0, or the seq under which its id was stored before. */
function noteDuplicates(firsts: number[], { place, from, count }: AppendedPart, duplicates: readonly number[]): void {
  for (let at = 0; at < duplicates.length; at += 2) {
    const inPart = (duplicates[at] ?? 0) - from;
    if (inPart >= 0 && inPart < count) firsts[place + inPart] = duplicates[at + 1] ?? 0;
  }
}

function ignore(): void {}
