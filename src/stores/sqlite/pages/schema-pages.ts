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
  const parts = new Map(layout.flatMap((table) => [table, ...table.indexes]).map((part) => [part.name, part]));
  new BTree(file, claims, true, {
    cell: (_rowid, payload, pageNo) => {
      const [type, name, , root, sql] = decodeRecord(payload) ?? [];
      if (typeof root !== "number") return faults.push(`page ${pageNo}, of the schema, is damaged`);
      const part = parts.get(String(name));
      if (part !== undefined && part.sql !== (sql ?? "")) faults.push(`the schema of ${part.name} is damaged`);
      return roots.set(String(name), { root, isTable: type === "table" });
    },
    fault: (pageNo, what) => faults.push(`page ${pageNo}, of the schema, ${what}`),
  }).walk(1);
  for (const name of parts.keys()) if (!roots.has(name)) faults.push(`${name} is missing from the schema`);
  return { roots, faults };
}
