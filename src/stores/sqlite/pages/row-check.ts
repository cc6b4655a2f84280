import { areHeadsWhole, BlockHeads, damagedPlaces } from "../block";
import { stateCheck } from "../block-rows";
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
  if (table.name === "blocks") return (values) => damagedMessages(blockOf(values, of)).length === 0;
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

/** A block as its row has it; undefined: it is not of a block's form at all. */
export interface BlockValues {
  readonly heads: BlockHeads;
  readonly checks: Buffer;
  readonly text: string;
}

/** @param values of a row of `blocks`. */
export function blockOf(values: readonly Value[], of: RowOf): BlockValues | undefined {
  const [firstSeq, heads, checks, text] = ["first_seq", "heads", "checks", "text"].map((column) => of(values, column));
  if (typeof firstSeq !== "number" || !Buffer.isBuffer(heads) || !Buffer.isBuffer(checks)) return undefined;
  if (typeof text !== "string") return undefined;
  const read = BlockHeads.of(firstSeq, heads);
  return heads.length > 0 && areHeadsWhole(read, checks)
    ? { heads: read, checks: Buffer.from(checks), text }
    : undefined;
}

/** Places of a block's messages that are not what was stored; of one without a form there is no telling which. */
function damagedMessages(block: BlockValues | undefined): readonly number[] {
  return block === undefined ? [0] : damagedPlaces(block.heads, block.text, block.checks);
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
