import type { Unpacker } from "./packed";

/** A row's content; `queueNo` is the room's number for a room's message. */
export interface Row {
  readonly seq: number;
  readonly queueNo: number;
  readonly priority: number;
  readonly dueAt: number | null;
  /** 1 where `dueAt` is a time of day. */
  readonly isDueFixed: number | null;
  readonly expiresAt: number | null;
  readonly id: string;
  readonly event: string;
  readonly payload: string;
  readonly group: string | null;
  readonly headers: string | null;
  readonly publisher: string;
  readonly publishedAt: number;
}

/** Reads what `packRows` wrote of a message. */
export function readRow(unpacker: Unpacker): Row {
  return {
    seq: unpacker.number(),
    queueNo: unpacker.number(),
    priority: unpacker.number(),
    dueAt: unpacker.numberOrNull(),
    isDueFixed: unpacker.numberOrNull(),
    expiresAt: unpacker.numberOrNull(),
    id: unpacker.string(),
    event: unpacker.string(),
    payload: unpacker.string(),
    group: unpacker.stringOrNull(),
    headers: unpacker.stringOrNull(),
    publisher: unpacker.string(),
    publishedAt: unpacker.number(),
  };
}
