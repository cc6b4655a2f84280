import type { Call, Calls } from "./calls";

/** Numbers that a row or a change is packed as, about. */
const NUMBERS_PER_ROW = 16;
const NUMBERS_PER_CHANGE = 8;
/**
 * Copies of a room's message that count as one row in a commit: nobody waits for one of them alone, and those of several
 * messages cost less together, since the pages that they touch, one for each inbox, are then written once.
 */
const COPIES_PER_ROW = 10;
/** The same of messages that share rows. */
const BLOCKED_PER_ROW = 8;
/** The same of messages that are read back, which may be in as many places of the file. */
const READ_PER_ROW = 8;

/** About how many rows these calls touch. */
export function rowsIn(calls: readonly Call[]): number {
  let rows = 0;
  for (const call of calls) rows += rowsInCall(call);
  return rows;
}

function rowsInCall(call: Call): number {
  switch (call.kind) {
    case "append":
      return rowsInAppend(call.argument);
    case "appendBlocks":
      return call.argument.count / BLOCKED_PER_ROW;
    case "change":
      return call.argument.changes.numbers.length / NUMBERS_PER_CHANGE;
    case "page":
      return 1 + call.argument.limit / READ_PER_ROW;
    case "fetch":
      return 1 + call.argument.seqs.length / READ_PER_ROW;
    default:
      return 1;
  }
}

function rowsInAppend({ rows, copies }: Calls["append"][0]): number {
  // An inbox is one number.
  return (rows.numbers.length - copies) / NUMBERS_PER_ROW + copies / COPIES_PER_ROW;
}
