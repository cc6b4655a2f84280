import type { PageFile } from "./page-file";
import { HEADER_BYTES } from "./page-file";
import { readVarint } from "./record";

const TABLE_INTERIOR = 5;
const TABLE_LEAF = 13;
const INDEX_INTERIOR = 2;
const INDEX_LEAF = 10;
/** Deeper than any tree that fits a file: damage can make one that leads to itself. */
const MAX_DEPTH = 24;

/** Who is told what a tree holds, in order, and where it is not whole. */
export interface TreeReader {
  /** A row of a table, or an entry of an index; `rowid` is 0 for the latter. The payload is good until the next call. */
  cell(rowid: number, payload: Buffer, pageNo: number): void;
  /** Something is wrong here: what stands between the cells told before and after may be lost. */
  fault(pageNo: number, what: string): void;
  /** Called before each page. */
  page?(): void;
}

/** Which pages are spoken for. A sound file has each of its pages in one place. */
export class PageClaims {
  private readonly claimed: Uint8Array;

  constructor(private readonly file: PageFile) {
    this.claimed = new Uint8Array(Math.ceil((file.pageCount + 1) / 8));
  }

  /** @returns whether the page is there and was not claimed before. */
  claim(pageNo: number): boolean {
    if (!this.file.has(pageNo) || pageNo === this.file.lockPage || this.has(pageNo)) return false;
    this.claimed[pageNo >> 3] = (this.claimed[pageNo >> 3] ?? 0) | (1 << (pageNo & 7));
    return true;
  }

  has(pageNo: number): boolean {
    return ((this.claimed[pageNo >> 3] ?? 0) & (1 << (pageNo & 7))) !== 0;
  }

  /** Pages that nothing has claimed. */
  *unclaimed(): Generator<number> {
    for (let pageNo = 1; pageNo <= this.file.pageCount; pageNo++) {
      if (!this.has(pageNo) && pageNo !== this.file.lockPage) yield pageNo;
    }
  }
}

interface Page {
  readonly bytes: Buffer;
  readonly isLeaf: boolean;
  readonly cells: number;
  readonly pointersAt: number;
  readonly rightmost: number;
}

interface Cell {
  /** The page below and before it; 0 on a leaf. */
  readonly child: number;
  readonly rowid: number;
  readonly payloadBytes: number;
  readonly payloadAt: number;
  /** Bytes of the payload on this page; the rest is on overflow pages. */
  readonly localBytes: number;
  /** Bytes of the whole cell. */
  readonly bytes: number;
}

/** Reads whole trees, going on behind what is damaged. */
export class BTree {
  private readonly buffers: Buffer[] = [];
  private leafDepth: number | undefined;
  private lastRowid = -Infinity;

  constructor(
    private readonly file: PageFile,
    private readonly claims: PageClaims,
    private readonly isTable: boolean,
    private readonly reader: TreeReader,
  ) {}

  walk(root: number): void {
    this.page(root, 0, Infinity);
  }

  /** Whether a tree of this kind may begin here. */
  isRoot(pageNo: number): boolean {
    return !this.claims.has(pageNo) && this.open(pageNo, 0) !== undefined;
  }

  /** Reads the rows of one leaf of a table that no tree leads to. @returns whether the page is such a leaf. */
  walkLeaf(pageNo: number): boolean {
    const page = this.open(pageNo, 0);
    if (page === undefined || !page.isLeaf || !this.isTable) return false;
    for (let index = 0; index < page.cells; index++) this.tell(pageNo, page, this.cellAt(page, index));
    return true;
  }

  private page(pageNo: number, depth: number, upToRowid: number): void {
    const fault = (what: string): void => this.reader.fault(pageNo, what);
    this.reader.page?.();
    if (depth > MAX_DEPTH || !this.claims.claim(pageNo)) return fault("is not where it should be");
    const page = this.open(pageNo, depth);
    if (page === undefined) return fault("is not a page of its tree");
    if (page.isLeaf && depth !== (this.leafDepth ??= depth)) fault("is at the wrong depth");
    const isSound = this.isSpaceAccountedFor(page);
    for (let index = 0; index < page.cells; index++) {
      if (!isSound) fault("is damaged");
      const cell = this.cellAt(page, index);
      if (cell === undefined) {
        fault("has a damaged cell");
        continue;
      }
      if (cell.child > 0) this.page(cell.child, depth + 1, this.isTable ? cell.rowid : Infinity);
      if (page.isLeaf || !this.isTable) this.tellInOrder(pageNo, page, cell, upToRowid);
      else if (cell.rowid > upToRowid || cell.rowid < this.lastRowid) fault("is out of order");
      else this.lastRowid = cell.rowid;
    }
    if (!isSound) fault("is damaged");
    if (!page.isLeaf) this.page(page.rightmost, depth + 1, upToRowid);
  }

  private tellInOrder(pageNo: number, page: Page, cell: Cell, upToRowid: number): void {
    if (this.isTable) {
      if (cell.rowid <= this.lastRowid || cell.rowid > upToRowid) this.reader.fault(pageNo, "is out of order");
      else this.lastRowid = cell.rowid;
    }
    this.tell(pageNo, page, cell);
  }

  private tell(pageNo: number, page: Page, cell: Cell | undefined): void {
    const payload = cell && this.payloadOf(page, cell);
    if (cell === undefined || payload === undefined) this.reader.fault(pageNo, "has a damaged cell");
    else this.reader.cell(cell.rowid, payload, pageNo);
  }

  /** Other pages are read before this one is done with, but one of each depth at a time. */
  private open(pageNo: number, depth: number): Page | undefined {
    if (!this.file.has(pageNo)) return undefined;
    const bytes = (this.buffers[depth] ??= Buffer.allocUnsafe(this.file.pageSize));
    this.file.read(pageNo).copy(bytes);
    const start = pageNo === 1 ? HEADER_BYTES : 0;
    const type = bytes[start];
    const isLeaf = type === (this.isTable ? TABLE_LEAF : INDEX_LEAF);
    if (!isLeaf && type !== (this.isTable ? TABLE_INTERIOR : INDEX_INTERIOR)) return undefined;
    const cells = bytes.readUInt16BE(start + 3);
    const pointersAt = start + (isLeaf ? 8 : 12);
    if (pointersAt + 2 * cells > this.file.usableBytes) return undefined;
    return { bytes, isLeaf, cells, pointersAt, rightmost: isLeaf ? 0 : bytes.readUInt32BE(start + 8) };
  }

  private cellAt(page: Page, index: number): Cell | undefined {
    const { usableBytes } = this.file;
    const start = page.bytes.readUInt16BE(page.pointersAt + 2 * index);
    if (start < page.pointersAt + 2 * page.cells || start + 4 > usableBytes) return undefined;
    const child = page.isLeaf ? 0 : page.bytes.readUInt32BE(start);
    let at = page.isLeaf ? start : start + 4;
    if (this.isTable && !page.isLeaf) {
      const { value, end } = readVarint(page.bytes, at);
      return end > at
        ? { child, rowid: value, payloadBytes: 0, payloadAt: end, localBytes: 0, bytes: end - start }
        : undefined;
    }
    const { value: payloadBytes, end: payloadEnd } = readVarint(page.bytes, at);
    if (!(payloadEnd > at) || payloadBytes > this.file.pageCount * usableBytes) return undefined;
    at = payloadEnd;
    let rowid = 0;
    if (this.isTable) {
      const { value, end } = readVarint(page.bytes, at);
      if (!(end > at && Number.isSafeInteger(value))) return undefined;
      rowid = value;
      at = end;
    }
    const localBytes = this.localBytesOf(payloadBytes);
    const end = at + localBytes + (localBytes < payloadBytes ? 4 : 0);
    if (end > usableBytes) return undefined;
    return { child, rowid, payloadBytes, payloadAt: at, localBytes, bytes: Math.max(end - start, 4) };
  }

  /** How much of a payload stays on the tree's page: https://www.sqlite.org/fileformat2.html#b_tree_pages */
  private localBytesOf(payloadBytes: number): number {
    const { usableBytes } = this.file;
    const most = this.isTable ? usableBytes - 35 : Math.floor(((usableBytes - 12) * 64) / 255) - 23;
    if (payloadBytes <= most) return payloadBytes;
    const least = Math.floor(((usableBytes - 12) * 32) / 255) - 23;
    const wanted = least + ((payloadBytes - least) % (usableBytes - 4));
    return wanted <= most ? wanted : least;
  }

  /** @returns undefined when some of it is not to be found. */
  private payloadOf({ bytes }: Page, cell: Cell): Buffer | undefined {
    const local = bytes.subarray(cell.payloadAt, cell.payloadAt + cell.localBytes);
    if (cell.localBytes === cell.payloadBytes) return local;
    const parts = [Buffer.from(local)];
    let next = bytes.readUInt32BE(cell.payloadAt + cell.localBytes);
    for (let left = cell.payloadBytes - cell.localBytes; left > 0;) {
      if (!this.claims.claim(next)) return undefined;
      const overflow = this.file.read(next);
      const taken = Math.min(left, this.file.usableBytes - 4);
      parts.push(Buffer.from(overflow.subarray(4, 4 + taken)));
      left -= taken;
      next = overflow.readUInt32BE(0);
    }
    return next === 0 ? Buffer.concat(parts) : undefined;
  }

  /** Every byte of a page is its header's, a cell's, or free; where that does not add up, a cell may be missing. */
  private isSpaceAccountedFor(page: Page): boolean {
    const { usableBytes } = this.file;
    const start = page.pointersAt - (page.isLeaf ? 8 : 12);
    const pointersEnd = page.pointersAt + 2 * page.cells;
    const contentAt = page.bytes.readUInt16BE(start + 5) || 65_536;
    if (contentAt < pointersEnd || contentAt > usableBytes) return false;
    let accounted = contentAt + (page.bytes[start + 7] ?? 0);
    for (let index = 0; index < page.cells; index++) {
      const cell = this.cellAt(page, index);
      if (cell === undefined || page.bytes.readUInt16BE(page.pointersAt + 2 * index) < contentAt) return false;
      accounted += cell.bytes;
    }
    for (let free = page.bytes.readUInt16BE(start + 1); free !== 0;) {
      if (free < contentAt || free + 4 > usableBytes) return false;
      const next = page.bytes.readUInt16BE(free);
      accounted += page.bytes.readUInt16BE(free + 2);
      if (next !== 0 && next <= free) return false;
      free = next;
    }
    return accounted === usableBytes;
  }
}

/** Claims the pages that hold nothing. @returns what is wrong with the list of them. */
export function walkFreelist(file: PageFile, claims: PageClaims): string[] {
  const { first, count } = file.freelist;
  let found = 0;
  for (let trunk = first; trunk !== 0;) {
    if (!claims.claim(trunk)) return [`the list of free pages is damaged at page ${trunk}`];
    const bytes = Buffer.from(file.read(trunk));
    const leaves = bytes.readUInt32BE(4);
    if (leaves > file.usableBytes / 4 - 2) return [`the list of free pages is damaged at page ${trunk}`];
    found += 1 + leaves;
    for (let leaf = 0; leaf < leaves; leaf++) {
      if (!claims.claim(bytes.readUInt32BE(8 + 4 * leaf)))
        return [`the list of free pages is damaged at page ${trunk}`];
    }
    trunk = bytes.readUInt32BE(0);
  }
  return found === count ? [] : [`of ${count} free pages, ${found} are listed`];
}
