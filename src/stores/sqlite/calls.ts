import type { Since } from "../../queue/store";
import type {
  AppendRow,
  Change,
  ExpiredRow,
  JoinedRow,
  RoomAppendRow,
  Snapshot,
  StoredMessage,
} from "../ledger/journal";
import { Packer, Unpacker, type Packed } from "./packed";
import type { DeadLetter } from "../../queue/message";

/** What passes between the journal and its worker. */

/** A call's argument and result, by its kind. */
export interface Calls {
  load: [argument: null, result: Snapshot];
  queue: [argument: { readonly no: number; readonly address: string }, result: null];
  /** The result lists only the duplicates: index and first seq, in turn. */
  append: [argument: { readonly now: number; readonly rows: Packed }, result: readonly number[]];
  change: [argument: { readonly now: number; readonly changes: Packed }, result: null];
  page: [
    argument: {
      readonly queueNo: number;
      readonly priority: number;
      readonly afterSeq: number;
      readonly limit: number;
      readonly limitBytes: number;
    },
    result: Packed,
  ];
  due: [
    argument: { readonly now: number; readonly limit: number },
    result: { readonly messages: Packed; readonly next: number | undefined },
  ];
  expired: [
    argument: { readonly now: number; readonly limit: number },
    result: { readonly rows: readonly ExpiredRow[]; readonly next: number | undefined },
  ];
  join: [
    argument: {
      readonly roomNo: number;
      readonly inboxNo: number;
      readonly since: Since | undefined;
      readonly firstSeq: number;
      readonly lastSeq: number;
      readonly now: number;
    },
    result: JoinedRow,
  ];
  leave: [argument: { readonly roomNo: number; readonly inboxNo: number }, result: null];
  deadLetters: [
    argument: { readonly queueNo: number; readonly limit: number; readonly afterSeq: number },
    result: readonly DeadLetter[],
  ];
  redrive: [
    argument: {
      readonly queueNo: number;
      readonly ids: readonly string[] | undefined;
      readonly diedBy: number;
      readonly limit: number;
    },
    result: Packed,
  ];
  purge: [argument: { readonly queueNo: number; readonly ids: readonly string[] | undefined }, result: number];
  probe: [argument: null, result: null];
  close: [argument: { readonly attempts: readonly number[] }, result: null];
}

export type CallKind = keyof Calls;
export type Call = { [Kind in CallKind]: { readonly kind: Kind; readonly argument: Calls[Kind][0] } }[CallKind];

/** To the worker: calls in the order in which they were made. */
export type Post = readonly Call[];
/** From the worker: the results of the oldest unanswered calls, all of them committed; or why none of them took effect. */
export type Answer =
  | { readonly results: readonly Calls[CallKind][1][] }
  | { readonly failed: string; readonly count: number }
  | { readonly opened: true };

export interface WorkerSettings {
  readonly file: string;
  readonly dedupWindowMs: number;
  readonly dedupMaxIds: number;
  readonly historyMessages: number;
  readonly historyMs: number;
}

/** Kinds of appended rows, as the first number of each says. */
export const ROW_PLAIN = 0;
export const ROW_ROOM = 1;

/** Kinds of changes, as the first number of each says. */
export const CHANGE_REMOVE = 0;
export const CHANGE_EXPIRE = 1;
export const CHANGE_RETRY = 2;
export const CHANGE_DEAD = 3;

const NUMBERS_PER_ROW = 14;
const NUMBERS_PER_CHANGE = 3;

/** A row is its kind, what is special to the kind, and its content; a room's message is followed by its copies. */
export function packRows(rows: readonly (AppendRow | RoomAppendRow)[]): Packed {
  const packer = new Packer(rows.length * NUMBERS_PER_ROW);
  for (const row of rows) {
    if ("copies" in row) {
      packContent(packer.number(ROW_ROOM).number(row.copies.length), row.message, row.dueAt);
      for (const { resident, message } of row.copies) {
        packer
          .number(resident ? 1 : 0)
          .number(message.seq)
          .number(message.queueNo);
      }
    } else {
      packContent(packer.number(ROW_PLAIN).number(row.resident ? 1 : 0), row.message, row.dueAt);
    }
  }
  return packer.pack();
}

function packContent(packer: Packer, message: StoredMessage, dueAt: number | undefined): void {
  packer.number(message.seq).number(message.queueNo).number(message.priority).number(dueAt).number(message.expiresAt);
  packer.string(message.id).string(message.event).string(message.payload).string(message.group).string(message.headers);
  packer.string(message.publisher).number(message.publishedAt);
}

export function packChanges(changes: readonly Change[]): Packed {
  const packer = new Packer(changes.length * NUMBERS_PER_CHANGE);
  for (const change of changes) {
    switch (change.kind) {
      case "remove":
        packer.number(CHANGE_REMOVE).number(change.row.seq).number(change.row.body);
        break;
      case "expire":
        packer.number(CHANGE_EXPIRE).number(change.row.seq).number(change.row.body).number(change.row.queueNo);
        break;
      case "retry":
        packer.number(CHANGE_RETRY).number(change.message.seq).number(change.dueAt);
        packer.number(change.message.attempts).number(change.failures);
        break;
      case "dead":
        packer.number(CHANGE_DEAD).number(change.message.seq).number(change.message.body);
        packer.number(change.message.attempts).number(change.failures).string(change.reason).string(change.holder);
        break;
    }
  }
  return packer.pack();
}

/** About how many rows these calls touch; a call that reads counts as one. */
export function rowsIn(calls: readonly Call[]): number {
  let rows = 0;
  for (const call of calls) {
    if (call.kind === "append") rows += call.argument.rows.numbers.length / NUMBERS_PER_ROW;
    else if (call.kind === "change") rows += call.argument.changes.numbers.length / NUMBERS_PER_CHANGE;
    else rows++;
  }
  return rows;
}

/** A stored message as the file's statements give it. */
export type MessageCells = readonly [
  seq: number,
  queueNo: number,
  priority: number,
  expiresAt: number | null,
  body: number,
  attempts: number,
  failures: number,
  id: string,
  event: string,
  payload: string,
  group: string | null,
  headers: string | null,
  publisher: string,
  publishedAt: number,
  room: string | null,
];
export const MESSAGE_CELLS = 15;

export function packMessage(packer: Packer, cells: MessageCells): void {
  const [seq, queueNo, priority, expiresAt, body, attempts, failures] = cells;
  const [, , , , , , , id, event, payload, group, headers, publisher, publishedAt, room] = cells;
  packer.number(seq).number(queueNo).number(priority).number(expiresAt).number(body).number(attempts).number(failures);
  packer.string(id).string(event).string(payload).string(group).string(headers).string(publisher).number(publishedAt);
  packer.string(room);
}

export function unpackMessages(packed: Packed, queueOf: (no: number) => StoredMessage["queue"]): StoredMessage[] {
  const messages: StoredMessage[] = [];
  for (const unpacker = new Unpacker(packed); !unpacker.done;) {
    const seq = unpacker.number();
    const queueNo = unpacker.number();
    messages.push({
      seq,
      queueNo,
      queue: queueOf(queueNo),
      priority: unpacker.number(),
      expiresAt: unpacker.numberOrNull() ?? undefined,
      body: unpacker.number(),
      attempts: unpacker.number(),
      failures: unpacker.number(),
      id: unpacker.string(),
      event: unpacker.string(),
      payload: unpacker.string(),
      group: unpacker.stringOrNull() ?? undefined,
      headers: unpacker.stringOrNull() ?? undefined,
      publisher: unpacker.string(),
      publishedAt: unpacker.number(),
      room: unpacker.stringOrNull() ?? undefined,
    });
  }
  return messages;
}
