import type { Durability } from "../../protocol/wire";
import type { DeadLetter, Message, QueueAddress, RoomAddress } from "../../queue/message";
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
  /** It may be leased as soon as it is written: a crash after that must count an attempt. */
  readonly resident: boolean;
}

/** A message to a room: its content once, and a row for every member's inbox. */
export interface RoomAppendRow {
  /** Under the room's own number and seq. */
  readonly message: StoredMessage;
  readonly dueAt: number | undefined;
  readonly copies: readonly AppendRow[];
}

/** What a stored message is found by. */
export type RowRef = Pick<StoredMessage, "seq" | "queueNo" | "body">;

/** What is to become of a stored message. */
export type Change =
  | { readonly kind: "remove" | "expire"; readonly row: RowRef }
  | {
      readonly kind: "retry";
      readonly message: StoredMessage;
      readonly dueAt: number | undefined;
      readonly failures: number;
    }
  | {
      readonly kind: "dead";
      readonly message: StoredMessage;
      readonly reason: string;
      readonly holder: string;
      readonly failures: number;
    };

/** How many messages of one priority wait in a queue, not counting delayed ones. */
export interface LaneCount {
  readonly queueNo: number;
  readonly priority: number;
  readonly count: number;
}

/** What was there when the journal was opened. */
export interface Snapshot {
  readonly lastSeq: number;
  readonly queues: readonly {
    readonly no: number;
    readonly address: QueueAddress | RoomAddress;
    readonly delayed: number;
    readonly dead: number;
    readonly expired: number;
  }[];
  readonly lanes: readonly LaneCount[];
  readonly members: readonly { readonly roomNo: number; readonly inboxNo: number }[];
  /** Messages of a group that wait for their next attempt: until then nothing else of the group may go out. */
  readonly groupHolders: readonly { readonly queueNo: number; readonly group: string; readonly seq: number }[];
  /** When the first delayed message is due, and the first of all expires; undefined: none. */
  readonly nextDue: number | undefined;
  readonly nextExpiry: number | undefined;
}

/** A message found to be past its time to live. */
export interface ExpiredRow extends RowRef {
  readonly priority: number;
  readonly group: string | undefined;
  readonly delayed: boolean;
}

export interface JoinedRow {
  /** History put in the inbox, counted by priority. */
  readonly replayed: readonly number[];
  readonly missing: HistoryGap | undefined;
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
  addQueue(no: number, address: QueueAddress | RoomAddress): void;
  /** @returns 0 for each row that was written, or the seq under which its id was stored before. */
  append(rows: readonly (AppendRow | RoomAppendRow)[], now: number): Promise<readonly number[]>;
  change(changes: readonly Change[]): Promise<void>;
  /** Ready messages of a lane after a seq, in order, that count as leased from now on as far as a crash is concerned. */
  page(
    queueNo: number,
    priority: number,
    afterSeq: number,
    limit: number,
    limitBytes: number,
  ): Promise<readonly StoredMessage[]>;
  /** Makes delayed messages ready and returns them, with when the next is due. */
  due(
    now: number,
    limit: number,
  ): Promise<{ readonly messages: readonly StoredMessage[]; readonly next: number | undefined }>;
  /** Finds what is past its time to live, changing nothing, with when the next one will be. */
  expired(
    now: number,
    limit: number,
  ): Promise<{ readonly rows: readonly ExpiredRow[]; readonly next: number | undefined }>;
  /** `firstSeq`: where the seqs set aside for replayed history begin; `lastSeq`: the newest one given out before them. */
  join(
    roomNo: number,
    inboxNo: number,
    since: Since | undefined,
    firstSeq: number,
    lastSeq: number,
  ): Promise<JoinedRow>;
  leave(roomNo: number, inboxNo: number): Promise<void>;
  deadLetters(queueNo: number, limit: number, afterSeq: number): Promise<readonly DeadLetter[]>;
  /** Makes dead letters ready again and returns them: those of `ids`, or all that died until `diedBy`. */
  redrive(
    queueNo: number,
    ids: readonly string[] | undefined,
    diedBy: number,
    limit: number,
  ): Promise<readonly StoredMessage[]>;
  /** @returns how many dead letters were removed. */
  purge(queueNo: number, ids: readonly string[] | undefined): Promise<number>;
  probe(): Promise<void>;
  /** `leased`: what is out, so that its attempts are known exactly at the next start. */
  close(leased: readonly StoredMessage[]): Promise<void>;
}
