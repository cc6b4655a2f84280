import fs from "node:fs";
import { CommitMark } from "../commit-mark";
import { isInUse } from "../database-file";
import { layoutOfVersion, missingCommits } from "../examination";
import { BTree, PageClaims, walkFreelist, type TreeReader } from "../pages/b-tree";
import { orderCheck } from "../pages/entry-sum";
import type { IndexLayout, TableLayout } from "../pages/layout";
import { PageFile } from "../pages/page-file";
import { decodeRecord, type Value } from "../pages/record";
import { rowCheck } from "../pages/row-check";
import { BlockRescue, type TableWalk } from "./block-rescue";
import type { Losses } from "./reconciliation";
import { SalvagedFile } from "./salvaged-file";
import { readSchema, type Roots } from "../pages/schema-pages";
import type { SeqRange } from "./seq-ranges";

/** Rows of these say themselves whether they are whole, so that they can be known wherever they are found. */
const CHECKED_TABLES = ["messages", "dead", "bodies"];
/** Messages that share rows, which are taken apart. */
const IN_BLOCKS = ["blocks", "block_runs", "block_states"];

export interface SalvageReport {
  /** Rows saved, by table. */
  readonly saved: ReadonlyMap<string, number>;
  /** What was found wrong, in words, the first of it. */
  readonly faults: readonly string[];
  readonly losses: Losses;
  /** Confirmed commits of which nothing is left, in words: what they said is not known. */
  readonly missing: string | undefined;
}

/**
 * Copies all that is whole from a damaged file to a new one. Rows are read past damaged pages, found on pages that
 * nothing leads to any more, and held against the indexes, which tell what else there was.
 *
 * @throws Error when the file cannot be read or is in use, or was none and has nothing in it, or the new one is there or
 * cannot be written.
 */
export function salvage(from: string, to: string): SalvageReport {
  if (!fs.existsSync(from)) throw new Error(`there is no file ${from}`);
  if (isInUse(from)) throw new Error(`${from} is in use: stop its hub first`);
  const { file, missing } = openPastDamage(from);
  try {
    const layout = layoutOfVersion(file.schemaVersion);
    const saved = new SalvagedFile(to, layout.version);
    try {
      const report = new Salvage(file, saved, layout.tables, missing).run();
      if (!file.isDatabase && [...report.saved.values()].every((count) => count === 0)) {
        saved.discard();
        throw new Error(`nothing could be saved from ${from}: it is no store, and nothing in it is of one`);
      }
      const confirmed = CommitMark.read(from);
      const isMissing = missing !== undefined && !(confirmed !== undefined && saved.commits >= confirmed);
      return { ...report, missing: isMissing ? missing : undefined };
    } finally {
      saved.close();
    }
  } finally {
    file.close();
  }
}

/** What may be left of a damaged log is read too, but only where something confirmed is missing. */
function openPastDamage(from: string): { readonly file: PageFile; readonly missing: string | undefined } {
  const file = PageFile.open(from);
  const missing = missingCommits(from, file, layoutOfVersion(file.schemaVersion).tables);
  if (missing === undefined && file.faults.length === 0) return { file, missing };
  file.close();
  return { file: PageFile.open(from, "pass"), missing };
}

class Salvage {
  private readonly claims: PageClaims;
  private readonly blocks: BlockRescue;
  private readonly faults: string[];
  private roots: Roots = new Map();

  constructor(
    private readonly file: PageFile,
    private readonly saved: SalvagedFile,
    private readonly layout: readonly TableLayout[],
    private readonly missing: string | undefined,
  ) {
    this.claims = new PageClaims(file);
    this.blocks = new BlockRescue(file, this.claims, saved);
    this.faults = missing === undefined ? [...file.faults] : [missing, ...file.faults];
  }

  run(): Omit<SalvageReport, "missing"> {
    const { roots, faults } = readSchema(this.file, this.claims, this.layout);
    this.roots = roots;
    this.faults.push(...faults);
    for (const table of this.layout) if (!IN_BLOCKS.includes(table.name)) this.copyTable(table);
    this.rescueBlocks();
    for (const table of this.layout) for (const index of table.indexes) this.readIndex(table, index);
    this.faults.push(...walkFreelist(this.file, this.claims));
    this.copyStrays();
    this.blocks.noteLost();
    const losses = this.saved.settle(this.missing !== undefined);
    return { saved: this.saved.counts(), faults: [...new Set(this.faults)], losses };
  }

  private rescueBlocks(): void {
    const walkOf = (name: string): TableWalk | undefined => {
      const table = this.layout.find((each) => each.name === name);
      const fault = (pageNo: number, what: string): void => this.fault(name, pageNo, what);
      return table && { table, root: this.rootOf(name, table.root, true), fault };
    };
    const [states, heads, runs] = [walkOf("block_states"), walkOf("blocks"), walkOf("block_runs")];
    if (states) this.blocks.readStates(states);
    if (heads) this.blocks.readHeads(heads);
    if (runs) this.blocks.readRuns(runs);
  }

  private copyTable(table: TableLayout): void {
    const isWhole = rowCheck(table);
    const insert = this.saved.inserter(table);
    const gaps: SeqRange[] = [];
    /** The last whole row before damage; undefined: there is no damage since. */
    let before: number | undefined;
    let last = 0;
    const open = (): number => (before ??= last);
    this.walk(table.name, table.root, table.rowid !== undefined, {
      cell: (rowid, payload, pageNo) => {
        const values = decodeRecord(payload);
        if (values === undefined || values.length !== table.columns.length || !isWhole(values)) {
          this.fault(table.name, pageNo, "holds what was not stored");
          open();
          return;
        }
        insert(rowid, values);
        if (before !== undefined) gaps.push({ from: before + 1, to: Math.max(rowid - 1, before + 1) });
        before = undefined;
        last = rowid;
      },
      fault: (pageNo, what) => {
        this.fault(table.name, pageNo, what);
        open();
      },
    });
    if (before !== undefined) gaps.push({ from: before + 1, to: Infinity });
    this.saved.noteGaps(table.name, gaps);
  }

  /** An index says which rows there were, if it is whole. */
  private readIndex(table: TableLayout, index: IndexLayout): void {
    const isInOrder = orderCheck(index.columns.length + 1);
    const columns = index.columns.map((place) => table.columns[place] ?? "");
    const note = this.saved.indexNoter(table.name, columns);
    const entryValues = columns.length + (table.rowid === undefined ? 0 : 1);
    const found = { isWhole: true };
    this.walk(index.name, index.root, false, {
      cell: (_rowid, payload, pageNo) => {
        const values = decodeRecord(payload);
        if (values?.length === entryValues && isInOrder(values)) return note?.(values);
        found.isWhole = false;
        this.fault(index.name, pageNo, "holds what was not stored");
      },
      fault: (pageNo, what) => {
        found.isWhole = false;
        this.fault(index.name, pageNo, what);
      },
    });
    if (!found.isWhole && note) this.saved.noteDamagedIndex(table.name);
  }

  /** Rows on pages that no tree leads to any more. */
  private copyStrays(): void {
    const readers = this.layout
      .filter(({ name }) => CHECKED_TABLES.includes(name))
      .map((table) => ({ table, isWhole: rowCheck(table), insert: this.saved.strayInserter(table) }));
    const inBlocks = this.layout.filter(({ name }) => name === "blocks" || name === "block_runs");
    const take = (rowid: number, values: Value[] | undefined): void => {
      for (const table of inBlocks) {
        if (values?.length === table.columns.length) this.blocks.takeStray(table, rowid, values);
      }
      for (const { table, isWhole, insert } of readers) {
        if (values?.length === table.columns.length && isWhole(values)) insert(rowid, values);
      }
    };
    const leaf = new BTree(this.file, this.claims, true, {
      cell: (rowid, payload) => take(rowid, decodeRecord(payload)),
      fault: () => {},
    });
    for (const pageNo of this.claims.unclaimed()) leaf.walkLeaf(pageNo);
  }

  private walk(name: string, usualRoot: number, isTable: boolean, reader: TreeReader): void {
    new BTree(this.file, this.claims, isTable, reader).walk(this.rootOf(name, usualRoot, isTable));
  }

  /** Where a tree begins: where the schema says so, if there is one. */
  private rootOf(name: string, usualRoot: number, isTable: boolean): number {
    const stated = this.roots.get(name)?.root ?? usualRoot;
    const reader = { cell: () => {}, fault: () => {} };
    return new BTree(this.file, this.claims, isTable, reader).isRoot(stated) ? stated : usualRoot;
  }

  private fault(name: string, pageNo: number, what: string): void {
    const fault = `page ${pageNo}, of ${name}, ${what}`;
    if (this.faults.length < 20 && !this.faults.includes(fault)) this.faults.push(fault);
  }
}
