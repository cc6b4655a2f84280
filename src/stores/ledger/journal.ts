import type { Durability } from "../../protocol/wire";
import type {
  DeadLetter,
  DeadReason,
  DeadSelection,
  Ending,
  Message,
  QueueAddress,
  RoomAddress,
} from "../../queue/message";
import type { HistoryGap, Since } from "../../queue/store";

/** A message as the ledger keeps it. */
export interface StoredMessage extends Message {
  /** Number of its queue, which the journal files it under. */
  readonly queueNo: number;
  /** Seq of the room's message that holds its content; 0: it holds its own. */
  readonly body: number;
}

/** One message to be written. */
export interface AppendRow {
  readonly message: StoredMessage;
  readonly dueAt: number | undefined;
  /** Whether `dueAt` is a time of day, which a step of the clock does not move. */
  readonly isDueFixed: boolean;
  /** It may be leased as soon as it is written: a crash after that must count an attempt. */
  readonly resident: boolean;
  /** By what it counts as stored before; undefined: its id. */
  readonly dedupId?: string | undefined;
}

/** The copies of a room's message, each at its place. Their seqs are those after the message's own. */
export interface Copies {
  readonly count: number;
  /** Numbers of their inboxes. */
  readonly inboxNumbers: Float64Array;
  /** Which of them, by their place, may be leased as soon as they are written. */
  readonly resident: readonly number[];
  /** The copy at a place: the same one each time. */
  at(place: number): StoredMessage;
  /** Those that somebody has asked for. */
  made(): Iterable<StoredMessage>;
}

/** A message to a room: its content once, and a copy for every member's inbox. */
export interface RoomAppendRow {
  /** Under the room's own number and seq. */
  readonly message: StoredMessage;
  readonly dueAt: number | undefined;
  readonly isDueFixed: boolean;
  /** As of a message to a queue. */
  readonly dedupId?: string | undefined;
  /** As delayed as the message. */
  readonly copies: Copies;
}

/** What a stored message is found by. */
export type RowRef = Pick<StoredMessage, "seq" | "queueNo" | "body">;

/** The end of a message as it is noted for those who ask. */
export type EndNote = Omit<Ending, "at">;

/** What is to become of a stored message. */
export type Change =
  | { readonly kind: "end"; readonly row: RowRef; readonly ending: EndNote }
  | {
      readonly kind: "retry";
      readonly message: StoredMessage;
      readonly dueAt: number | undefined;
      readonly failures: number;
      readonly error: string | undefined;
    }
  | {
      readonly kind: "dead";
      /** Its number of failures is the one that it has now. */
      readonly row: RowRef & Pick<StoredMessage, "attempts">;
      readonly failures: number;
      readonly reason: DeadReason;
      readonly error: string | undefined;
      /** The client that had it; undefined: it was not out. */
      readonly lastHolder: string | undefined;
    }
  | {
      /** Its attempts go on from those of another message of its id. */
      readonly kind: "count";
      readonly row: RowRef & Pick<StoredMessage, "attempts">;
    };

/** How many messages of one priority wait in a queue, not counting delayed ones, and their bytes. */
export interface LaneCount {
  readonly queueNo: number;
  readonly priority: number;
  readonly count: number;
  readonly bytes: number;
}

/** What was there when the journal was opened. */
export interface Snapshot {
  readonly lastSeq: number;
  readonly queues: readonly {
    readonly no: number;
    readonly address: QueueAddress | RoomAddress;
    /** The client that made it. */
    readonly creator: string;
    readonly delayed: number;
    readonly delayedBytes: number;
    readonly dead: number;
    readonly expired: number;
    readonly purged: number;
  }[];
  readonly lanes: readonly LaneCount[];
  readonly members: readonly { readonly roomNo: number; readonly inboxNo: number }[];
  /**
   * Messages that go before all others of their group: those that wait for their next attempt, and those that were out, or
   * about to be, at a stop in order.
   */
  readonly groupHolders: readonly {
    readonly queueNo: number;
    readonly group: string;
    readonly seq: number;
    readonly id: string;
  }[];
  /** When the first delayed message is due, and the first of all expires; undefined: none. */
  readonly nextDue: number | undefined;
  readonly nextExpiry: number | undefined;
}

/** A message found to be past its time to live. */
export interface ExpiredRow extends RowRef {
  readonly priority: number;
  readonly group: string | undefined;
  readonly delayed: boolean;
  readonly id: string;
  readonly attempts: number;
  readonly failures: number;
  readonly lastError: string | undefined;
  /** As `sizeOf` counts. */
  readonly bytes: number;
}

/** A message found on disk. Its payload may be left out: it says nothing of where it is. */
export interface FoundRow {
  readonly message: StoredMessage;
  readonly dueAt: number | undefined;
}

export interface JoinedRow {
  /** History put in the inbox: what is ready, counted by priority, and what is not due yet. */
  readonly replayed: readonly number[];
  readonly delayed: number;
  /** The bytes of both, and of what is not due yet. */
  readonly bytes: number;
  readonly delayedBytes: number;
  readonly missing: HistoryGap | undefined;
}

/** How much history was put in the inbox. */
export function countReplayed({ replayed, delayed }: Pick<JoinedRow, "replayed" | "delayed">): number {
  return replayed.reduce((sum, count) => sum + count, delayed);
}

/**
 * The part of a single-process store that outlives the process, or, in memory, stands in for it. Calls take effect in
 * the order in which they were made, and resolve in that order when they are as durable as `durability` says. A call
 * that rejects has changed nothing.
 */
export interface Journal {
  readonly durability: Durability;
  load(): Promise<Snapshot>;
  /** Files a queue or room under its number; goes before any call that uses the number. */
  addQueue(no: number, address: QueueAddress | RoomAddress, creator: string): void;
  /** @returns 0 for each row that was written, or the seq under which its id was stored before. */
  append(rows: readonly (AppendRow | RoomAppendRow)[]): Promise<readonly number[]>;
  /** @returns the seq under which each id was stored in its queue or room inside the dedup window; 0: it was not. */
  firstSeqs(ids: readonly { readonly queueNo: number; readonly id: string }[]): Promise<readonly number[]>;
  change(changes: readonly Change[]): Promise<void>;
  /** Ready messages of a lane after a seq, in order, that count as leased from now on as far as a crash is concerned. */
  page(
    queueNo: number,
    priority: number,
    afterSeq: number,
    limit: number,
    limitBytes: number,
  ): Promise<readonly StoredMessage[]>;
  /** Makes delayed messages ready, fewer of them where they are large, and returns them, with when the next is due. */
  due(
    now: number,
    limit: number,
  ): Promise<{ readonly messages: readonly StoredMessage[]; readonly next: number | undefined }>;
  /** Finds what is past its time to live, changing nothing, with when the next one will be. */
  expired(
    now: number,
    limit: number,
  ): Promise<{ readonly rows: readonly ExpiredRow[]; readonly next: number | undefined }>;
  /**
   * @param firstSeq where the seqs set aside for replayed history begin.
   * @param lastSeq the newest one given out before them.
   * @param given seqs of history that the inbox has already.
   */
  join(
    roomNo: number,
    inboxNo: number,
    since: Since | undefined,
    firstSeq: number,
    lastSeq: number,
    given: readonly number[],
  ): Promise<JoinedRow>;
  /** Where it rejects, it is done before anything else is written. */
  leave(roomNo: number, inboxNo: number): Promise<void>;
  /**
   * Reads waiting messages by their seqs, in order; those that are gone are left out.
   *
   * @returns them, and how many of the seqs were looked for before `limitBytes` were read: one at the least.
   */
  fetch(
    seqs: readonly number[],
    limitBytes: number,
  ): Promise<{ readonly messages: readonly StoredMessage[]; readonly read: number }>;
  /**
   * The clock was put forward by this: moves what is due and what expires, but for what is due at a time of day. Where it
   * rejects, it is done before anything new is stored, and a call of 0 resolves when it is.
   */
  moveDeadlines(byMs: number): Promise<void>;
  /**
   * Looks through the next `limit` waiting messages after a seq for those of an id, in one queue or in all.
   *
   * @returns them, and the seq to go on after; undefined: that was all.
   */
  find(
    id: string,
    queueNo: number | undefined,
    afterSeq: number,
    limit: number,
  ): Promise<{ readonly found: readonly FoundRow[]; readonly next: number | undefined }>;
  /** How messages of an id ended, as far as it is remembered, the newest first: `limit` of them at the most. */
  endings(
    id: string,
    queueNo: number | undefined,
    limit: number,
  ): Promise<readonly { readonly queueNo: number; readonly ending: Ending }[]>;
  /** Fewer than `limit` where they are large: one at the least, unless there are none after this seq. */
  deadLetters(
    queueNo: number,
    selection: DeadSelection,
    limit: number,
    afterSeq: number,
  ): Promise<readonly DeadLetter[]>;
  /**
   * Makes dead letters after a seq ready again, in order, `limit` of them at the most and fewer where they are large, and
   * returns them: none only when there are none. With `spread` they are delayed instead: the first until `spread.from`,
   * each further one by `spread.everyMs` more.
   */
  redrive(
    queueNo: number,
    selection: DeadSelection,
    afterSeq: number,
    limit: number,
    spread: { readonly from: number; readonly everyMs: number } | undefined,
  ): Promise<readonly StoredMessage[]>;
  /** Ends dead letters, `limit` of them at the most, the lowest seq first. @returns how many. */
  purge(queueNo: number, selection: DeadSelection, limit: number): Promise<number>;
  /** Ends the dead letters that died first, `limit` of them at the most. @returns how many. */
  purgeOldest(queueNo: number, limit: number): Promise<number>;
  probe(): Promise<void>;
  /**
   * @param leased what is out, so that its attempts are known exactly at the next start.
   * @param groupHolders seqs of the messages that go before all others of their group, out or not.
   */
  close(leased: readonly StoredMessage[], groupHolders: readonly number[]): Promise<void>;
}
