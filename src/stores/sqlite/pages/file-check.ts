import type { BlockHeads } from "../block";
import { BTree, PageClaims, walkFreelist } from "./b-tree";
import type { IndexLayout, TableLayout } from "./layout";
import type { PageFile } from "./page-file";
import { decodeRecord, type Value } from "./record";
import { columnReader, headsIn, rowCheck } from "./row-check";
import { readSchema, type Roots } from "./schema-pages";
import { EntrySum, orderCheck } from "./entry-sum";

/** Faults that are told one by one; a file with more is no better described by more. */
const MAX_FAULTS = 20;

/**
 * Reads a whole database file and compares all that is there twice: rows with their checksums and with their indexes,
 * pages with who speaks for them, references with what they refer to.
 *
 * SQLite's `integrity_check` knows nothing of the first, and takes the connection for as long as it lasts.
 */
export class FileCheck {
  private readonly claims: PageClaims;
  private readonly found: string[] = [];
  private readonly queues = new Set<Value>();
  private readonly referring = new EntrySum();
  private readonly referred = new EntrySum();
  /** Runs of contents, as heads of blocks have them and as they are. */
  private readonly expectedRuns = new EntrySum();
  private readonly runs = new EntrySum();
  private readonly meta = new Map<Value, Value>();
  /** How many bytes have a bit for each message of a block, by its first seq. */
  private readonly blocks = new Map<Value, number>();
  private newestSeq = 0;

  /** @param onPage called now and then; what it throws ends the check. */
  constructor(
    private readonly file: PageFile,
    private readonly layout: readonly TableLayout[],
    private readonly onPage: () => void = () => {},
  ) {
    this.claims = new PageClaims(file);
  }

  /** @returns what is damaged, in words; nothing when the file is whole. */
  run(): readonly string[] {
    const { roots, faults } = readSchema(this.file, this.claims, this.layout);
    faults.forEach((fault) => this.fault(fault));
    const others = new Map(roots);
    // Queues go first: messages are held against them.
    for (const table of [...this.layout].sort(
      (left, right) => Number(right.name === "queues") - Number(left.name === "queues"),
    )) {
      this.checkTable(table, roots);
      for (const { name } of [table, ...table.indexes]) others.delete(name);
    }
    // What somebody else put there is no damage, but its pages are its own.
    for (const [name, { root, isTable }] of others) this.walk(name, root, isTable, () => true);
    if (!this.referring.equals(this.referred))
      this.fault("copies of room messages do not match what they are copies of");
    if (!this.expectedRuns.equals(this.runs)) this.fault("contents of blocks do not match their heads");
    if (!(Number(this.meta.get("last_seq")) >= this.newestSeq))
      this.fault("a message is newer than the newest one noted");
    for (const fault of walkFreelist(this.file, this.claims)) this.fault(fault);
    for (const pageNo of this.claims.unclaimed()) this.fault(`page ${pageNo} belongs to nothing`);
    return this.found;
  }

  private checkTable(table: TableLayout, roots: Roots): void {
    const sums = table.indexes.map(() => new EntrySum());
    const isInOrder = orderCheck(table.keyColumns);
    const isWhole = rowCheck(table);
    const refersRightly = this.referenceCheck(table);
    this.walk(table.name, roots.get(table.name)?.root ?? 0, table.rowid !== undefined, (rowid, values) => {
      if (values.length !== table.columns.length) return false;
      if (table.rowid !== undefined) values[table.columns.indexOf(table.rowid)] = rowid;
      table.indexes.forEach((index, place) => {
        if (index.holds(values)) sums[place]?.add(entryOf(table, index, values, rowid));
      });
      const isOrdered = table.keyColumns === 0 || isInOrder(values);
      return isOrdered && isWhole(values) && refersRightly(values);
    });
    table.indexes.forEach((index, place) => this.checkIndex(table, index, roots, sums[place]));
  }

  private checkIndex(table: TableLayout, index: IndexLayout, roots: Roots, rows: EntrySum | undefined): void {
    const entries = new EntrySum();
    const isInOrder = orderCheck(index.columns.length + 1);
    this.walk(index.name, roots.get(index.name)?.root ?? 0, false, (_rowid, values) => {
      entries.add(values);
      return isInOrder(values);
    });
    if (rows && !rows.equals(entries)) this.fault(`${index.name} does not match ${table.name}`);
  }

  /** Whether what a row names is there; what can only be told at the end is added up. */
  private referenceCheck(table: TableLayout): (values: readonly Value[]) => boolean {
    const of = columnReader(table);
    const named = (...columns: string[]) => {
      return (values: readonly Value[]): boolean => columns.every((column) => this.queues.has(of(values, column)));
    };
    const isSeqNew = (values: readonly Value[]): void => {
      this.newestSeq = Math.max(this.newestSeq, Number(of(values, "seq")));
    };
    switch (table.name) {
      case "queues":
        return (values) => {
          this.queues.add(of(values, "no"));
          return typeof of(values, "address") === "string";
        };
      case "messages":
        return (values) => {
          isSeqNew(values);
          if (of(values, "body") !== 0) this.referring.add([of(values, "body"), of(values, "priority")]);
          return named("queue")(values);
        };
      case "blocks":
        return (values) => this.isBlockOfQueues(headsIn(values, of));
      case "block_runs":
        return (values) => {
          this.runs.add([of(values, "first_seq"), String(of(values, "text")).length]);
          return true;
        };
      case "block_states":
        return (values) => this.blocks.get(of(values, "first_seq")) === bytesOfBits(of(values, "gone"));
      case "bodies":
        return (values) => {
          isSeqNew(values);
          this.referred.add([of(values, "seq"), of(values, "priority")], Number(of(values, "refs")));
          return named("room")(values);
        };
      case "meta":
        return (values) =>
          Number.isSafeInteger(this.meta.set(of(values, "key"), of(values, "value")).get(of(values, "key")));
      case "dead":
        return named("queue");
      case "members":
        return named("room", "inbox");
      default:
        return () => true;
    }
  }

  private isBlockOfQueues(heads: BlockHeads | undefined): boolean {
    if (heads === undefined) return false;
    this.newestSeq = Math.max(this.newestSeq, heads.firstSeq + heads.count - 1);
    this.blocks.set(heads.firstSeq, Math.ceil(heads.count / 8));
    for (const { firstSeq, length } of heads.runs()) this.expectedRuns.add([firstSeq, length]);
    for (let place = 0; place < heads.count; place++) if (!this.queues.has(heads.queueNo(place))) return false;
    return true;
  }

  private walk(name: string, root: number, isTable: boolean, cell: (rowid: number, values: Value[]) => boolean): void {
    const fault = (pageNo: number, what: string): void => this.fault(`page ${pageNo}, of ${name}, ${what}`);
    const tree = new BTree(this.file, this.claims, isTable, {
      cell: (rowid, payload, pageNo) => {
        const values = decodeRecord(payload);
        if (values === undefined || !cell(rowid, values))
          fault(pageNo, `holds what was not stored${isTable ? ` (row ${rowid})` : ""}`);
      },
      fault,
      page: this.onPage,
    });
    tree.walk(root);
  }

  private fault(what: string): void {
    if (this.found.length < MAX_FAULTS && !this.found.includes(what)) this.found.push(what);
  }
}

function bytesOfBits(value: Value): number | undefined {
  return Buffer.isBuffer(value) ? value.length : undefined;
}

function entryOf(table: TableLayout, index: IndexLayout, values: readonly Value[], rowid: number): Value[] {
  const entry = index.columns.map((place) => values[place] ?? null);
  if (table.rowid !== undefined) entry.push(rowid);
  return entry;
}
