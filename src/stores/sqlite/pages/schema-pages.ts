import { BTree, type PageClaims } from "./b-tree";
import type { TableLayout } from "./layout";
import type { PageFile } from "./page-file";
import { decodeRecord } from "./record";

/** Where the trees of a file begin, by the names of their tables and indexes. */
export type Roots = ReadonlyMap<string, { readonly root: number; readonly isTable: boolean }>;

/** Reads a file's own list of its tables, and holds it against what its version has. */
export function readSchema(
  file: PageFile,
  claims: PageClaims,
  layout: readonly TableLayout[],
): { readonly roots: Roots; readonly faults: readonly string[] } {
  const faults: string[] = [];
  const roots = new Map<string, { root: number; isTable: boolean }>();
  const expected = new Map(layout.flatMap((table) => expectedRows(table)).map((row) => [row[1], row]));
  new BTree(file, claims, true, {
    cell: (_rowid, payload, pageNo) => {
      const [type, name, table, root, sql] = decodeRecord(payload) ?? [];
      if (typeof root !== "number") return faults.push(`page ${pageNo}, of the schema, is damaged`);
      const row = expected.get(String(name));
      const stated = [type, name, table, sql ?? ""];
      if (row?.some((text, place) => text !== stated[place]) === true) {
        faults.push(`the schema of ${row[1]} is damaged`);
      }
      return roots.set(String(name), { root, isTable: type === "table" });
    },
    fault: (pageNo, what) => faults.push(`page ${pageNo}, of the schema, ${what}`),
  }).walk(1);
  const missing = [...expected.keys()].filter((name) => !roots.has(name));
  if (missing.length === expected.size) faults.push("every table is missing from the schema");
  else faults.push(...missing.map((name) => `${name} is missing from the schema`));
  return { roots, faults };
}

/** What the schema says of a table and its indexes: kind, name, table and SQL of each. */
function expectedRows({ name, sql, indexes }: TableLayout): [kind: string, name: string, table: string, sql: string][] {
  return [["table", name, name, sql], ...indexes.map((index) => ["index", index.name, name, index.sql] as const)].map(
    ([kind = "", part = "", table = "", text = ""]) => [kind, part, table, text],
  );
}
