import { DEAD_REASONS, sizeOf, type DeadSelection, type EndedHow, type Ending } from "../../queue/message";
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
import type { PackedBlock } from "./block";
import { contentText, readContent } from "./content-check";
import { Unpacker, type Packed, type Packer } from "./packed";
import type { DeadLetter } from "../../queue/message";

/** What passes between the journal and its worker. */

/** A call's argument and result, by its kind. */
export interface Calls {
  load: [argument: null, result: Snapshot];
  queue: [argument: { readonly no: number; readonly address: string; readonly creator: string }, result: null];
  /** `copies`: of rooms' messages. The result lists only the duplicates: index and first seq, in turn. */
  append: [argument: { readonly rows: Packed; readonly copies: number }, result: readonly number[]];
  /** As `append`, of messages that came together; the index counts those of all blocks. */
  appendBlocks: [
    argument: { readonly blocks: readonly PackedBlock[]; readonly count: number },
    result: readonly number[],
  ];
  firstSeqs: [
    argument: { readonly ids: readonly { readonly queueNo: number; readonly id: string }[] },
    result: readonly number[],
  ];
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
      readonly given: readonly number[];
      readonly now: number;
    },
    result: JoinedRow,
  ];
  leave: [argument: { readonly roomNo: number; readonly inboxNo: number }, result: null];
  fetch: [
    argument: { readonly seqs: readonly number[]; readonly limitBytes: number },
    result: { readonly messages: Packed; readonly read: number },
  ];
  /** `before`: what the time was as the clock was set, by what it was set from. */
  move: [argument: { readonly byMs: number; readonly before: number }, result: null];
  /** `dueAts`: one for each message, NaN where it has none. */
  find: [
    argument: {
      readonly id: string;
      readonly queueNo: number | undefined;
      readonly afterSeq: number;
      readonly limit: number;
    },
    result: { readonly messages: Packed; readonly dueAts: readonly number[]; readonly next: number | undefined },
  ];
  endings: [
    argument: { readonly id: string; readonly queueNo: number | undefined; readonly limit: number },
    result: readonly { readonly queueNo: number; readonly ending: Ending }[],
  ];
  deadLetters: [
    argument: {
      readonly queueNo: number;
      readonly selection: DeadSelection;
      readonly limit: number;
      readonly afterSeq: number;
    },
    result: readonly DeadLetter[],
  ];
  redrive: [
    argument: {
      readonly queueNo: number;
      readonly selection: DeadSelection;
      readonly afterSeq: number;
      readonly limit: number;
      readonly spread: { readonly from: number; readonly everyMs: number } | undefined;
    },
    result: Packed,
  ];
  purge: [
    argument: {
      readonly queueNo: number;
      readonly selection: DeadSelection;
      readonly limit: number;
      readonly now: number;
    },
    result: number,
  ];
  purgeOldest: [argument: { readonly queueNo: number; readonly limit: number; readonly now: number }, result: number];
  /** Bytes in the file that hold nothing, and are written before it grows. */
  reusable: [argument: null, result: number];
  probe: [argument: null, result: null];
  close: [argument: { readonly attempts: readonly number[]; readonly groupHolders: readonly number[] }, result: null];
}

export type CallKind = keyof Calls;
export type Call = { [Kind in CallKind]: { readonly kind: Kind; readonly argument: Calls[Kind][0] } }[CallKind];

/** Whether a call stores something new, for which a full disk has no room. */
export function isAppend({ kind }: { readonly kind: CallKind }): boolean {
  return kind === "append" || kind === "appendBlocks";
}

/** Whether a call takes so much room on the disk that what makes room has to go on without it: a step of the clock changes all times. */
export function needsRoom(call: { readonly kind: CallKind }): boolean {
  return isAppend(call) || call.kind === "move";
}

/** To the worker: calls in the order in which they were made. */
export type Post = readonly Call[];
/** What an append has for a result when the disk has no room for it. */
export const NO_SPACE = "no space";

/**
 * From the worker: the results of the oldest unanswered calls, all of them committed but the appends that had no room; or
 * why none of them took effect; or, for good, that the file is damaged, or why it is not known any more what is in it.
 */
export type Answer =
  | { readonly results: readonly (Calls[CallKind][1] | typeof NO_SPACE)[] }
  | { readonly failed: string; readonly count: number; readonly isFull: boolean }
  | { readonly damaged: string }
  | { readonly lost: string }
  | { readonly opened: true };

export interface WorkerSettings {
  readonly file: string;
  readonly dedupWindowMs: number;
  readonly dedupMaxIds: number;
  readonly historyMessages: number;
  readonly historyMs: number;
  /** Endings of messages that are remembered. */
  readonly maxEndings: number;
  /** Queues and rooms that may exist. */
  readonly maxQueues: number;
  /** Queues and rooms that one client may make. */
  readonly maxQueuesPerClient: number;
}

/** Kinds of appended rows, as the first number of each says. */
export const ROW_PLAIN = 0;
export const ROW_ROOM = 1;

/** Kinds of changes, as the first number of each says. */
export const CHANGE_END = 0;
export const CHANGE_RETRY = 1;
export const CHANGE_DEAD = 2;
export const CHANGE_COUNT = 3;

/** How messages end, by the number that stands for it. */
export const ENDED_HOW: readonly EndedHow[] = ["acked", "expired", "purged"];

/**
 * A row is its kind, what is special to the kind, and its content. A room's message is followed by the inboxes that have
 * a copy, with the seqs that come after its own, and by the places of those copies that may be leased at once.
 */
export function packRow(packer: Packer, row: AppendRow | RoomAppendRow): void {
  if (!("copies" in row)) {
    packContent(packer.number(ROW_PLAIN).number(row.resident ? 1 : 0), row);
    return;
  }
  const { inboxNumbers, count, resident } = row.copies;
  packContent(packer.number(ROW_ROOM).number(count), row);
  packer.numbers(inboxNumbers).number(resident.length).numbers(resident);
}

function packContent(packer: Packer, { message, dueAt, isDueFixed, dedupId }: AppendRow | RoomAppendRow): void {
  packer.number(message.seq).number(message.queueNo).number(message.priority);
  packer
    .number(dueAt)
    .number(isDueFixed ? 1 : undefined)
    .number(message.expiresAt);
  packer.string(message.id).string(message.event).string(message.payload).string(message.group).string(message.headers);
  packer.string(message.publisher).number(message.publishedAt).string(dedupId);
}

export function packChange(packer: Packer, change: Change): void {
  switch (change.kind) {
    case "end": {
      const { row, ending } = change;
      packer.number(CHANGE_END).number(row.seq).number(row.body).number(row.queueNo);
      packer.number(ENDED_HOW.indexOf(ending.how)).number(ending.attempt).string(ending.id).string(ending.client);
      break;
    }
    case "retry":
      packer.number(CHANGE_RETRY).number(change.message.seq).number(change.dueAt);
      packer.number(change.message.attempts).number(change.failures).string(change.error);
      break;
    case "dead": {
      const { row, reason } = change;
      packer.number(CHANGE_DEAD).number(row.seq).number(row.body).number(row.queueNo).number(row.attempts);
      packer.number(change.failures).number(DEAD_REASONS.indexOf(reason));
      packer.string(change.error).string(change.lastHolder);
      break;
    }
    case "count":
      packer.number(CHANGE_COUNT).number(change.row.seq).number(change.row.attempts);
  }
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
  error: string | null,
];
export const MESSAGE_CELLS = 16;
/** Numbers and texts of a packed message. */
export const PACKED_CELLS = 9;

/**
 * Bytes of messages, as `sizeOf` counts, that one call reads at the most; the first it reads in any case. However many
 * large messages are due at once: no text grows too long, and no commit keeps others waiting.
 */
export const CALL_BYTES = 2 ** 22;

/** What a message costs, by its cells, as `sizeOf` counts. */
export function cellsSize([, , , , , , , id, , payload, , headers]: MessageCells): number {
  return sizeOf({ id, payload, headers: headers ?? undefined });
}

export function packMessage(packer: Packer, cells: MessageCells): void {
  const [seq, queueNo, priority, expiresAt, body, attempts, failures] = cells;
  const [, , , , , , , id, event, payload, group, headers, publisher, publishedAt, room, error] = cells;
  const content = contentText({ priority, id, event, payload, group, headers, publisher, publishedAt });
  packContentText(packer, seq, queueNo, expiresAt, body, attempts, failures, room, error, content);
}

/**
 * Packs a message of which the content is a text already. So many arguments, since an object for each message is most of
 * what it costs.
 *
 * @param content as `contentText` has it.
 */
export function packContentText(
  packer: Packer,
  seq: number,
  queueNo: number,
  expiresAt: number | null,
  body: number,
  attempts: number,
  failures: number,
  room: string | null,
  error: string | null,
  content: string,
): void {
  packer.number(seq).number(queueNo).number(expiresAt).number(body);
  packer.number(attempts).number(failures).string(room).string(error).string(content);
}

/**
 * The same text by itself. One that was cut out of another keeps all of that in memory, and ids and groups are remembered
 * longer than what they came with.
 */
function detached(text: string): string {
  return ` ${text}`.slice(1);
}

export function unpackMessages(packed: Packed, queueOf: (no: number) => StoredMessage["queue"]): StoredMessage[] {
  const messages: StoredMessage[] = [];
  for (const unpacker = new Unpacker(packed); !unpacker.done;) {
    const seq = unpacker.number();
    const queueNo = unpacker.number();
    const expiresAt = unpacker.numberOrNull() ?? undefined;
    const body = unpacker.number();
    const attempts = unpacker.number();
    const failures = unpacker.number();
    const room = unpacker.stringOrNull() ?? undefined;
    const lastError = unpacker.stringOrNull() ?? undefined;
    const { priority, publishedAt, id, event, group, headers, publisher, payload } = readContent(unpacker.string());
    messages.push({
      seq,
      queueNo,
      queue: queueOf(queueNo),
      id: detached(id),
      event,
      payload,
      priority,
      group: group === null ? undefined : detached(group),
      headers: headers ?? undefined,
      publisher,
      publishedAt,
      expiresAt,
      room,
      body,
      attempts,
      failures,
      lastError,
    });
  }
  return messages;
}
