import { BlockHeads, headsCheck, runCheck, stateCheck } from "../block";
import { contentCheck } from "../content-check";
import type { TableLayout } from "./layout";
import type { Value } from "./record";

/** A row's values by the names of their columns. */
export type RowOf = (values: readonly Value[], column: string) => Value;

/** Reads a table's rows by the names of its columns. */
export function columnReader(table: TableLayout): RowOf {
  const places = new Map(table.columns.map((column, place) => [column, place]));
  return (values, column) => values[places.get(column) ?? -1] ?? null;
}

/** @returns whether a row of this table says what was stored: messages by the checksums of their contents. */
export function rowCheck(table: TableLayout): (values: readonly Value[]) => boolean {
  const of = columnReader(table);
  if (table.name === "blocks") return (values) => headsIn(values, of) !== undefined;
  if (table.name === "block_runs") return (values) => runIn(values, of) !== undefined;
  if (table.name === "block_states") return (values) => isStateWhole(values, of);
  if (!table.columns.includes("content_check")) return () => true;
  return (values) => {
    const check = of(values, "content_check");
    // A member's copy of a room's message has its content there.
    if (table.name === "messages" && of(values, "body") !== 0) {
      return check === null && CONTENT.every((column) => of(values, column) === null);
    }
    // Bytes are no text, also where they read the same.
    const isText = TEXTS.every((column) => !Buffer.isBuffer(of(values, column)));
    return isText && check === contentCheck(contentOf(values, of));
  };
}

/** @param values of a row of `blocks`. @returns undefined when it is not what was stored. */
export function headsIn(values: readonly Value[], of: RowOf): BlockHeads | undefined {
  const [firstSeq, bytes] = [of(values, "first_seq"), of(values, "heads")];
  if (typeof firstSeq !== "number" || !Buffer.isBuffer(bytes) || bytes.length === 0) return undefined;
  const heads = BlockHeads.of(firstSeq, Buffer.from(bytes));
  return headsCheck(heads) === of(values, "heads_check") ? heads : undefined;
}

/** Contents of messages that follow one another, with the seq of the first. */
export interface RunValues {
  readonly firstSeq: number;
  readonly text: string;
}

/** @param values of a row of `block_runs`. @returns undefined when it is not what was stored. */
export function runIn(values: readonly Value[], of: RowOf): RunValues | undefined {
  const [firstSeq, text] = [of(values, "first_seq"), of(values, "text")];
  if (typeof firstSeq !== "number" || typeof text !== "string") return undefined;
  return runCheck(firstSeq, text) === of(values, "text_check") ? { firstSeq, text } : undefined;
}

function isStateWhole(values: readonly Value[], of: RowOf): boolean {
  const [firstSeq, gone, attempts] = [of(values, "first_seq"), of(values, "gone"), of(values, "attempts")];
  if (typeof firstSeq !== "number" || !Buffer.isBuffer(gone)) return false;
  if (attempts !== null && !Buffer.isBuffer(attempts)) return false;
  return stateCheck(firstSeq, gone, attempts) === of(values, "state_check");
}

const TEXTS = ["id", "event", "payload", "grp", "headers", "publisher"] as const;
const CONTENT = [...TEXTS, "published_at"] as const;

function contentOf(values: readonly Value[], of: RowOf): Parameters<typeof contentCheck>[0] {
  const text = (column: string): string => String(of(values, column));
  const textOrNull = (column: string): string | null => (of(values, column) === null ? null : text(column));
  return {
    priority: Number(of(values, "priority")),
    id: text("id"),
    event: text("event"),
    payload: text("payload"),
    group: textOrNull("grp"),
    headers: textOrNull("headers"),
    publisher: text("publisher"),
    publishedAt: Number(of(values, "published_at")),
  };
}
