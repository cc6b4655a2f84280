import type { BlockHeads, Run } from "../block";
import { StoredBlock } from "../block-index";
import { readContent } from "../content-check";
import { BTree, type PageClaims } from "../pages/b-tree";
import type { TableLayout } from "../pages/layout";
import type { PageFile } from "../pages/page-file";
import { decodeRecord, type Value } from "../pages/record";
import { columnReader, headsIn, rowCheck, runIn, type RunValues } from "../pages/row-check";
import type { RescuedMessage, SalvagedFile } from "./salvaged-file";
import type { SeqRange } from "./seq-ranges";

/** Where a table's rows are, and who hears of what is damaged. */
export interface TableWalk {
  readonly table: TableLayout;
  readonly root: number;
  readonly fault: (pageNo: number, what: string) => void;
}

/** Heads that were found. */
interface FoundBlock {
  readonly heads: BlockHeads;
  /** Whether no tree led to them: they may be what is left of a block that ended. */
  readonly isStray: boolean;
  /** What is there of its messages, as far as that is known. */
  readonly stored: StoredBlock;
}

/**
 * Takes blocks apart: each of their messages that is whole, and not known to be gone, gets a row of its own. So the file
 * that is written has none that is only half of what it was.
 */
export class BlockRescue {
  /** Blocks of which it is known what has become of them, by their first seq. */
  private readonly states = new Map<number, StoredBlock["gone"]>();
  private readonly attempts = new Map<number, Uint32Array>();
  /** Where there may have been more of that. */
  private stateGaps: readonly SeqRange[] = [];
  private readonly found = new Set<number>();
  /** Runs of contents that are known by their heads and were not found yet, by their first seq. */
  private readonly missing = new Map<number, { readonly block: FoundBlock; readonly run: Run }>();

  constructor(
    private readonly file: PageFile,
    private readonly claims: PageClaims,
    private readonly saved: SalvagedFile,
  ) {}

  /** Reads what has become of blocks. Goes before their heads. */
  readStates(walk: TableWalk): void {
    const of = columnReader(walk.table);
    const isWhole = rowCheck(walk.table);
    this.stateGaps = this.walk(walk, (firstSeq, values) => {
      const gone = of(values, "gone");
      if (!isWhole(values) || !Buffer.isBuffer(gone)) return undefined;
      this.states.set(firstSeq, Uint8Array.from(gone));
      const attempts = of(values, "attempts");
      if (Buffer.isBuffer(attempts)) this.attempts.set(firstSeq, new Uint32Array(Uint8Array.from(attempts).buffer));
      return firstSeq;
    });
  }

  /** Reads which messages are in blocks. Goes before their contents: those that come first are laid aside. */
  readHeads(walk: TableWalk): void {
    const of = columnReader(walk.table);
    const gaps = this.walk(walk, (_firstSeq, values) => {
      const heads = headsIn(values, of);
      if (heads !== undefined) this.takeHeads(heads, false);
      return heads && heads.firstSeq + heads.count - 1;
    });
    this.saved.noteGaps(walk.table.name, gaps);
  }

  /** Saves what is whole of blocks. */
  readRuns(walk: TableWalk): void {
    const of = columnReader(walk.table);
    this.walk(walk, (firstSeq, values) => {
      const run = runIn(values, of);
      if (run !== undefined) this.takeRun(run);
      return run && firstSeq;
    });
  }

  /** A row that no tree led to, if it is one of these. */
  takeStray(table: TableLayout, rowid: number, values: Value[]): void {
    const of = columnReader(table);
    const row = numbered(table, rowid, values);
    const heads = table.name === "blocks" ? headsIn(row, of) : undefined;
    if (heads !== undefined) this.takeHeads(heads, true);
    const run = table.name === "block_runs" ? runIn(row, of) : undefined;
    if (run !== undefined) this.takeRun(run);
  }

  /** All has been read: what was not found is lost, unless no tree led to its heads, which may be what is left of acked ones. */
  noteLost(): void {
    for (const { block, run } of this.missing.values()) {
      const { heads, isStray, stored } = block;
      if (isStray) continue;
      for (let place = run.first; place < run.next; place++) {
        if (stored.has(place)) this.saved.noteLost(heads.firstSeq + place, heads.queueNo(place));
      }
    }
  }

  private takeHeads(heads: BlockHeads, isStray: boolean): void {
    const { firstSeq, count } = heads;
    if (this.found.has(firstSeq)) return;
    this.found.add(firstSeq);
    const stored = new StoredBlock(firstSeq, count, heads.length);
    const gone = this.states.get(firstSeq);
    if (gone !== undefined) stored.removeAll(gone);
    const block = { heads, isStray, stored };
    for (const run of heads.runs()) {
      const text = this.saved.laidAsideRun(run.firstSeq);
      if (text?.length === run.length) this.rescue(block, run, text);
      else this.missing.set(run.firstSeq, { block, run });
    }
  }

  private takeRun({ firstSeq, text }: RunValues): void {
    const missing = this.missing.get(firstSeq);
    if (missing === undefined) return this.saved.layAsideRun(firstSeq, text);
    if (text.length !== missing.run.length) return;
    this.missing.delete(firstSeq);
    this.rescue(missing.block, missing.run, text);
  }

  private rescue({ heads, isStray, stored }: FoundBlock, run: Run, text: string): void {
    const { firstSeq } = heads;
    const isDoubtful = isStray || (!this.states.has(firstSeq) && this.mayHaveState(firstSeq));
    let begin = 0;
    for (let place = run.first; place < run.next; place++) {
      const content = text.slice(begin, (begin += heads.contentLength(place)));
      if (!stored.has(place)) continue;
      const message: RescuedMessage = {
        ...readContent(content),
        seq: firstSeq + place,
        queueNo: heads.queueNo(place),
        priority: heads.priority(place),
        bytes: heads.bytes(place),
        attempts: this.attempts.get(firstSeq)?.[place] ?? 0,
        mayBeOut: heads.wasResident(place),
      };
      this.saved.rescue(message, isDoubtful, isStray);
    }
  }

  private mayHaveState(firstSeq: number): boolean {
    return this.stateGaps.some(({ from, to }) => firstSeq >= from && firstSeq <= to);
  }

  /**
   * @param take gives the last seq that a row is about; undefined: it is not what was stored.
   * @returns seqs of which there may have been others.
   */
  private walk(
    { table, root, fault }: TableWalk,
    take: (rowid: number, values: readonly Value[]) => number | undefined,
  ): SeqRange[] {
    const gaps: SeqRange[] = [];
    let lastSeq = 0;
    const state = { isDamaged: false };
    new BTree(this.file, this.claims, true, {
      cell: (rowid, payload, pageNo) => {
        const values = decodeRecord(payload);
        const isRow = values?.length === table.columns.length;
        const last = isRow ? take(rowid, numbered(table, rowid, values)) : undefined;
        if (last === undefined) {
          fault(pageNo, "holds what was not stored");
          state.isDamaged = true;
          return;
        }
        if (state.isDamaged && rowid > lastSeq + 1) gaps.push({ from: lastSeq + 1, to: rowid - 1 });
        state.isDamaged = false;
        lastSeq = last;
      },
      fault: (pageNo, what) => {
        fault(pageNo, what);
        state.isDamaged = true;
      },
    }).walk(root);
    if (state.isDamaged) gaps.push({ from: lastSeq + 1, to: Infinity });
    return gaps;
  }
}

/** A row's values with its number among them. */
function numbered(table: TableLayout, rowid: number, values: readonly Value[]): Value[] {
  const place = table.columns.indexOf(table.rowid ?? "");
  return values.map((value, at) => (at === place ? rowid : value));
}
