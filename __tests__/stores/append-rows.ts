import type { AppendRow, StoredMessage } from "../../src/stores/ledger/journal";
import { storedMessage } from "./stored-message";

/** A message as it is handed over to be stored. */
export function rowOf(seq: number, fields: Partial<StoredMessage> = {}, resident = false): AppendRow {
  return { message: storedMessage(seq, fields), dueAt: undefined, isDueFixed: false, resident };
}

/** So many of them, from a seq on. */
export function rowsOf(from: number, count: number, fields?: (seq: number) => Partial<StoredMessage>): AppendRow[] {
  return Array.from({ length: count }, (_, at) => rowOf(from + at, fields?.(from + at)));
}
