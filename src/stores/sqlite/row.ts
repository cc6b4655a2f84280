import type { MessageRow } from "./message-rows";
import type { Unpacker } from "./packed";

/** Reads what `packRow` wrote of a message; `queueNo` is the room's number for a room's message. */
export function readRow(unpacker: Unpacker): MessageRow {
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
