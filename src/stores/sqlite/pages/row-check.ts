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

/** @returns whether a row of this table says what was stored: a message by the checksum of its content. */
export function rowCheck(table: TableLayout): (values: readonly Value[]) => boolean {
  if (!table.columns.includes("content_check")) return () => true;
  const of = columnReader(table);
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
