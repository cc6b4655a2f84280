import { WaybillError } from "../../protocol/errors";
import type { Clock, Timer } from "../../queue/clock";
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
import { DamagedError } from "./damage";
import type { DiskSpace } from "./disk-space";
import {
  NO_SPACE,
  unpackMessages,
  packRow,
  packChange,
  type Answer,
  type Call,
  type CallKind,
  type Calls,
} from "./calls";
import { Packer, type Packed } from "./packed";
import { Replies } from "./replies";
import type { StorageWorker } from "./storage-thread";

/** A call that the worker has not answered yet. */
interface Pending {
  readonly kind: CallKind;
  readonly tally: Tally;
  readonly resolve: (result: never) => void;
  readonly reject: (error: WaybillError) => void;
}

/** What a call carries. */
interface Tally {
  /** Messages, a room's being one, or changes. */
  rows: number;
  /** Copies of rooms' messages. */
  copies: number;
}

/** Rows, or changes, of one turn on their way to the worker. */
type Gathering = {
  [Kind in "append" | "change"]: {
    readonly kind: Kind;
    readonly packer: Packer;
    /** So far. */
    readonly tally: Tally;
    /** Of the call that takes all of them. */
    readonly answer: Promise<Calls[Kind][1]>;
  };
}["append" | "change"];

/**
 * The journal in an SQLite file, kept by a worker thread. Calls of one turn of the event loop go to it together, and
 * what it finds waiting it commits together: one fsync for all, more of them the busier it gets.
 */
export class SqliteJournal implements Journal {
  readonly durability = "disk";
  private readonly addresses = new Map<number, QueueAddress>();
  private readonly pending: Pending[] = [];
  private readonly replies: Replies;
  private outbox: (() => Call)[] = [];
  private hasAppend = false;
  /** The last call in the outbox, if it can take more of its kind. */
  private gathering: Gathering | undefined;
  private broken: WaybillError | undefined;
  private posting = false;
  /** Waits with nothing but changes in the outbox, for an append to take them along. */
  private riding: Timer | undefined;
  private appendedAt = -Infinity;
  /** Called when the worker is gone: a close waits for it. */
  private ended: () => void = () => {};

  /** @param onBroken called once when the worker is lost, after which every call is refused. */
  constructor(
    private readonly worker: StorageWorker,
    private readonly clock: Clock,
    private readonly onBroken: (error: Error) => void,
    private readonly space?: DiskSpace,
  ) {
    this.replies = new Replies(clock);
    worker.attach({
      answered: (answer) => this.answered(answer),
      broke: (error) => {
        this.fail(error.message);
        this.onBroken(error);
      },
      ended: () => {
        this.fail("the storage worker ended");
        this.ended();
      },
    });
  }

  async load(): Promise<Snapshot> {
    await this.space?.start(() => this.call("reusable", null));
    const snapshot = await this.call("load", null);
    for (const { no, address } of snapshot.queues) this.addresses.set(no, address as QueueAddress);
    return snapshot;
  }

  addQueue(no: number, address: QueueAddress | RoomAddress, creator: string): void {
    this.addresses.set(no, address as QueueAddress);
    // The worker files it apart from everything else, so that no failed commit can take it back.
    this.call("queue", { no, address, creator }).catch(() => {});
  }

  async append(rows: readonly (AppendRow | RoomAppendRow)[]): Promise<readonly number[]> {
    this.space?.refuseWhenLow();
    const { packer, tally, answer } = this.gather("append", (packed, { copies }) => ({ rows: packed, copies }));
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
    return await this.call("firstSeqs", { ids: ids.map(({ queueNo, id }) => ({ queueNo, id })) });
  }

  async change(changes: readonly Change[]): Promise<void> {
    const now = this.clock.now();
    const { packer, answer } = this.gather("change", (packed) => ({ now, changes: packed }));
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
    const page = await this.call("page", { queueNo, priority, afterSeq, limit, limitBytes });
    return unpackMessages(page, this.queueOf);
  }

  async due(now: number, limit: number): Promise<{ messages: readonly StoredMessage[]; next: number | undefined }> {
    const { messages, next } = await this.call("due", { now, limit });
    return { messages: unpackMessages(messages, this.queueOf), next };
  }

  async expired(
    now: number,
    limit: number,
  ): Promise<{ readonly rows: readonly ExpiredRow[]; readonly next: number | undefined }> {
    return await this.call("expired", { now, limit });
  }

  async join(
    roomNo: number,
    inboxNo: number,
    since: Since | undefined,
    firstSeq: number,
    lastSeq: number,
  ): Promise<JoinedRow> {
    return await this.call("join", { roomNo, inboxNo, since, firstSeq, lastSeq, now: this.clock.now() });
  }

  async leave(roomNo: number, inboxNo: number): Promise<void> {
    await this.call("leave", { roomNo, inboxNo });
  }

  async fetch(
    seqs: readonly number[],
    limitBytes: number,
  ): Promise<{ messages: readonly StoredMessage[]; read: number }> {
    const { messages, read } = await this.call("fetch", { seqs, limitBytes });
    return { messages: unpackMessages(messages, this.queueOf), read };
  }

  async moveDeadlines(byMs: number): Promise<void> {
    await this.call("move", { byMs });
  }

  async find(
    id: string,
    queueNo: number | undefined,
    afterSeq: number,
    limit: number,
  ): Promise<{ readonly found: readonly FoundRow[]; readonly next: number | undefined }> {
    const { messages, dueAts, next } = await this.call("find", { id, queueNo, afterSeq, limit });
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
    return await this.call("endings", { id, queueNo, limit });
  }

  async deadLetters(
    queueNo: number,
    selection: DeadSelection,
    limit: number,
    afterSeq: number,
  ): Promise<readonly DeadLetter[]> {
    const letters = await this.call("deadLetters", { queueNo, selection, limit, afterSeq });
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
    const redriven = await this.call("redrive", { queueNo, selection, afterSeq, limit, spread });
    return unpackMessages(redriven, this.queueOf);
  }

  async purge(queueNo: number, selection: DeadSelection, limit: number): Promise<number> {
    return await this.call("purge", { queueNo, selection, limit, now: this.clock.now() });
  }

  async purgeOldest(queueNo: number, limit: number): Promise<number> {
    return await this.call("purgeOldest", { queueNo, limit, now: this.clock.now() });
  }

  async probe(): Promise<void> {
    await this.call("probe", null);
  }

  async close(leased: readonly StoredMessage[]): Promise<void> {
    this.space?.stop();
    if (this.broken) return;
    const ended = new Promise<void>((resolve) => (this.ended = resolve));
    await this.call("close", { attempts: leased.flatMap((message) => [message.seq, message.attempts]) });
    await ended;
  }

  private readonly queueOf = (no: number): QueueAddress => {
    const address = this.addresses.get(no);
    if (address === undefined) throw new Error(`a stored message is of queue ${no}, which is not filed`);
    return address;
  };

  /** Appends that come one after the other travel, and are carried out, as one call; and so do changes. */
  private gather<Kind extends Gathering["kind"]>(
    kind: Kind,
    makeArgument: (packed: Packed, tally: Tally) => Calls[Kind][0],
  ): Extract<Gathering, { kind: Kind }> {
    if (this.gathering?.kind !== kind) {
      const packer = new Packer(GATHERED_CELLS);
      const tally: Tally = { rows: 0, copies: 0 };
      const answer = this.send(kind, () => makeArgument(packer.pack(), tally), tally);
      this.gathering = { kind, packer, tally, answer } as Gathering;
    }
    return this.gathering as Extract<Gathering, { kind: Kind }>;
  }

  private call<Kind extends CallKind>(kind: Kind, argument: Calls[Kind][0]): Promise<Calls[Kind][1]> {
    this.gathering = undefined;
    return this.send(kind, () => argument, SINGLE);
  }

  /** @param argument asked for when the call is posted. */
  private send<Kind extends CallKind>(
    kind: Kind,
    argument: () => Calls[Kind][0],
    tally: Tally,
  ): Promise<Calls[Kind][1]> {
    if (this.broken) return Promise.reject(this.broken);
    return new Promise((resolve, reject) => {
      this.pending.push({ kind, tally, resolve, reject });
      this.outbox.push(() => ({ kind, argument: argument() }) as Call);
      if (kind === "append") this.hasAppend = true;
      this.postSoon(kind);
    });
  }

  private postSoon(kind: CallKind): void {
    if (this.posting) return;
    if (kind === "change" && this.clock.steady() - this.appendedAt < RIDE_MS) {
      this.riding ??= this.clock.setTimer(this.post, RIDE_MS);
      return;
    }
    this.posting = true;
    this.clock.soon(this.post);
  }

  private readonly post = (): void => {
    this.riding?.cancel();
    this.riding = undefined;
    this.posting = false;
    const calls = this.outbox.map((make) => make());
    this.outbox = [];
    this.gathering = undefined;
    if (this.hasAppend) this.appendedAt = this.clock.steady();
    this.hasAppend = false;
    if (!this.broken && calls.length > 0) this.worker.post(calls);
  };

  private answered(answer: Answer): void {
    if ("opened" in answer) return;
    if (this.broken) return;
    if ("damaged" in answer) {
      this.fail(answer.damaged);
      this.onBroken(new DamagedError(answer.damaged));
      return;
    }
    if ("failed" in answer) {
      const error = new WaybillError("STORE_UNAVAILABLE", `The store did not take the write: ${answer.failed}.`);
      for (const call of this.pending.splice(0, answer.count)) {
        const refusal = answer.isFull && call.kind === "append" ? new WaybillError("DISK_FULL", DISK_FULL) : error;
        this.replies.add({ copies: call.tally.copies, tell: () => call.reject(refusal) });
      }
    } else {
      const done = this.pending.splice(0, answer.results.length);
      for (const [index, { tally, resolve, reject }] of done.entries()) {
        const result = answer.results[index];
        const tell = (): void =>
          result === NO_SPACE ? reject(new WaybillError("DISK_FULL", DISK_FULL)) : resolve(result as never);
        this.replies.add({ copies: tally.copies, tell });
      }
    }
    this.replies.handOut();
  }

  private fail(reason: string): void {
    if (this.broken) return;
    this.broken = new WaybillError("STORE_UNAVAILABLE", `The store is gone: ${reason}.`);
    for (const { reject } of this.pending.splice(0)) reject(this.broken);
  }
}

/**
 * While appends keep coming, changes wait this many milliseconds for one to share its commit: an fsync for the acks
 * alone would delay the publishes behind it.
 */
const RIDE_MS = 2;
/** Numbers that a call has room for before it grows: those of 34 messages to queues, or of 64 acks. */
const GATHERED_CELLS = 512;
const SINGLE: Tally = { rows: 1, copies: 0 };
const DISK_FULL = "The disk is full: the publish was not stored.";
const NO_DUPLICATES: readonly number[] = [];
