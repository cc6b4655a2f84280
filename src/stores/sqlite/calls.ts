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
import type { DeadLetter } from "../../queue/message";

/**
 * What passes between the journal and its worker. Messages cross as flat lists of their fields: copying one long list
 * of numbers and texts to another thread costs a fraction of copying as many objects.
 */
export type Cell = string | number | null;

/** A call's argument and result, by its kind. */
export interface Calls {
  load: [argument: null, result: Snapshot];
  queue: [argument: { readonly no: number; readonly address: string }, result: null];
  /** The result lists only the duplicates: index and first seq, in turn. */
  append: [argument: { readonly now: number; readonly cells: readonly Cell[] }, result: readonly number[]];
  change: [argument: { readonly now: number; readonly cells: readonly Cell[] }, result: null];
  page: [
    argument: {
      readonly queueNo: number;
      readonly priority: number;
      readonly afterSeq: number;
      readonly limit: number;
      readonly limitBytes: number;
    },
    result: readonly Cell[],
  ];
  due: [
    argument: { readonly now: number; readonly limit: number },
    result: { readonly cells: readonly Cell[]; readonly next: number | undefined },
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
  deadLetters: [argument: { readonly queueNo: number; readonly limit: number }, result: readonly DeadLetter[]];
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

/** Kinds of appended rows, as the first cell of each says. */
export const ROW_PLAIN = 0;
export const ROW_ROOM = 1;
export const ROW_COPY = 2;

/** Kinds of changes, as the first cell of each says. */
export const CHANGE_REMOVE = 0;
export const CHANGE_EXPIRE = 1;
export const CHANGE_RETRY = 2;
export const CHANGE_DEAD = 3;

export function encodeAppend(rows: readonly (AppendRow | RoomAppendRow)[]): Cell[] {
  const cells: Cell[] = [];
  for (const row of rows) {
    if ("copies" in row) {
      encodeContent(cells, ROW_ROOM, row.copies.length, row.message, row.dueAt);
      for (const copy of row.copies) {
        cells.push(ROW_COPY, copy.resident ? 1 : 0, copy.message.seq, copy.message.queueNo);
      }
    } else {
      encodeContent(cells, ROW_PLAIN, row.resident ? 1 : 0, row.message, row.dueAt);
    }
  }
  return cells;
}

function encodeContent(
  cells: Cell[],
  kind: number,
  detail: number,
  message: StoredMessage,
  dueAt: number | undefined,
): void {
  cells.push(
    kind,
    detail,
    message.seq,
    message.queueNo,
    message.priority,
    dueAt ?? null,
    message.expiresAt ?? null,
    message.id,
    message.event,
    message.payload,
    message.group ?? null,
    message.headers ?? null,
    message.publisher,
    message.publishedAt,
  );
}

export function encodeChanges(changes: readonly Change[]): Cell[] {
  const cells: Cell[] = [];
  for (const change of changes) {
    switch (change.kind) {
      case "remove":
        cells.push(CHANGE_REMOVE, change.row.seq, change.row.body);
        break;
      case "expire":
        cells.push(CHANGE_EXPIRE, change.row.seq, change.row.body, change.row.queueNo);
        break;
      case "retry":
        cells.push(CHANGE_RETRY, change.message.seq, change.dueAt ?? null, change.message.attempts, change.failures);
        break;
      case "dead":
        cells.push(
          CHANGE_DEAD,
          change.message.seq,
          change.message.body,
          change.message.attempts,
          change.failures,
          change.reason,
          change.holder,
        );
        break;
    }
  }
  return cells;
}

/** A stored message's cells, in the order in which `decodeMessages` reads them. */
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
const MESSAGE_CELLS = 15;

export function decodeMessages(
  cells: readonly Cell[],
  queueOf: (no: number) => StoredMessage["queue"],
): StoredMessage[] {
  const messages: StoredMessage[] = [];
  for (let at = 0; at < cells.length; at += MESSAGE_CELLS) {
    messages.push(decodeMessage(cells.slice(at, at + MESSAGE_CELLS) as unknown as MessageCells, queueOf));
  }
  return messages;
}

export function decodeMessage(cells: MessageCells, queueOf: (no: number) => StoredMessage["queue"]): StoredMessage {
  const [
    seq,
    queueNo,
    priority,
    expiresAt,
    body,
    attempts,
    failures,
    id,
    event,
    payload,
    group,
    headers,
    publisher,
    publishedAt,
    room,
  ] = cells;
  return {
    seq,
    queueNo,
    queue: queueOf(queueNo),
    priority,
    expiresAt: expiresAt ?? undefined,
    body,
    attempts,
    failures,
    id,
    event,
    payload,
    group: group ?? undefined,
    headers: headers ?? undefined,
    publisher,
    publishedAt,
    room: room ?? undefined,
  };
}
