import { beginsOf, damagedPlaces } from "../block";
import { StoredBlock } from "../block-index";
import { readContent } from "../content-check";
import { BTree, type PageClaims } from "../pages/b-tree";
import type { TableLayout } from "../pages/layout";
import type { PageFile } from "../pages/page-file";
import { decodeRecord, type Value } from "../pages/record";
import { blockOf, columnReader, rowCheck } from "../pages/row-check";
import type { RescuedMessage, SalvagedFile } from "./salvaged-file";
import type { SeqRange } from "./seq-ranges";

/** Where a table's rows are, and who hears of what is damaged. */
export interface TableWalk {
  readonly table: TableLayout;
  readonly root: number;
  readonly fault: (pageNo: number, what: string) => void;
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

  constructor(
    private readonly file: PageFile,
    private readonly claims: PageClaims,
    private readonly saved: SalvagedFile,
  ) {}

  /** Reads what has become of blocks. Goes before these. */
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

  /** Saves what is whole of all blocks. */
  readBlocks(walk: TableWalk): void {
    const gaps = this.walk(walk, (_firstSeq, values) => this.rescue(walk.table, values, false));
    this.saved.noteGaps(walk.table.name, gaps);
  }

  /** Saves what is whole of a block that no tree led to: it may be what is left of one that ended. */
  rescueStray(table: TableLayout, rowid: number, values: Value[]): void {
    this.rescue(table, numbered(table, rowid, values), true);
  }

  /** @returns the seq of its last message; undefined: it can't be told which messages it had. */
  private rescue(table: TableLayout, values: readonly Value[], isStray: boolean): number | undefined {
    const block = blockOf(values, columnReader(table));
    if (block === undefined) return undefined;
    const { heads, text, checks } = block;
    const lastSeq = heads.firstSeq + heads.count - 1;
    if (this.found.has(heads.firstSeq)) return lastSeq;
    this.found.add(heads.firstSeq);
    const gone = this.states.get(heads.firstSeq);
    const isDoubtful = isStray || (gone === undefined && this.mayHaveState(heads.firstSeq));
    const stored = new StoredBlock(heads.firstSeq, heads.count, text.length);
    if (gone !== undefined) stored.removeAll(gone);
    const damaged = new Set(damagedPlaces(heads, text, checks));
    const begins = beginsOf(heads);
    for (const place of stored.places()) {
      const seq = heads.firstSeq + place;
      const queueNo = heads.queueNo(place);
      const priority = heads.priority(place);
      if (damaged.has(place)) {
        this.saved.noteLost(seq, queueNo);
        continue;
      }
      const begin = begins[place] ?? 0;
      const message: RescuedMessage = {
        ...readContent(text.slice(begin, begin + heads.contentLength(place))),
        seq,
        queueNo,
        priority,
        bytes: heads.bytes(place),
        attempts: this.attempts.get(heads.firstSeq)?.[place] ?? 0,
        mayBeOut: heads.wasResident(place),
      };
      this.saved.rescue(message, isDoubtful, isStray);
    }
    return lastSeq;
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
    const state = { isDamaged: false, wasDamaged: false };
    const read = (rowid: number, payload: Buffer): boolean => {
      const values = decodeRecord(payload);
      if (values?.length !== table.columns.length) return false;
      const last = take(rowid, numbered(table, rowid, values));
      if (last === undefined) return false;
      if (state.isDamaged && rowid > lastSeq + 1) gaps.push({ from: lastSeq + 1, to: rowid - 1 });
      state.isDamaged = false;
      lastSeq = last;
      return true;
    };
    new BTree(this.file, this.claims, true, {
      cell: (rowid, payload, pageNo) => {
        if (read(rowid, payload)) return;
        fault(pageNo, "holds what was not stored");
        state.isDamaged = true;
      },
      part: (rowid, payload) => {
        // The fault before was this one.
        state.isDamaged = state.wasDamaged;
        if (!read(rowid, payload)) state.isDamaged = true;
      },
      fault: (pageNo, what) => {
        fault(pageNo, what);
        state.wasDamaged = state.isDamaged;
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
