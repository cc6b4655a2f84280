import { BTree, PageClaims } from "./b-tree";
import type { TableLayout } from "./layout";
import type { PageFile } from "./page-file";
import { decodeRecord } from "./record";
import { readSchema } from "./schema-pages";

/** Reads the few numbers that the file keeps of itself, as far as they can be read. */
export function readMeta(file: PageFile, layout: readonly TableLayout[]): ReadonlyMap<string, number> {
  const meta = new Map<string, number>();
  const claims = new PageClaims(file);
  const root = readSchema(file, claims, layout).roots.get("meta")?.root;
  if (root === undefined) return meta;
  new BTree(file, claims, false, {
    cell: (_rowid, payload) => {
      const [key, value] = decodeRecord(payload) ?? [];
      if (typeof key === "string" && typeof value === "number") meta.set(key, value);
    },
    fault: () => {},
  }).walk(root);
  return meta;
}
