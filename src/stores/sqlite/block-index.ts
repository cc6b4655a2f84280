import { PRIORITIES } from "../../queue/message";

/** A block as it is known without reading it. */
export class StoredBlock {
  /** Messages that wait or are out. */
  live: number;
  /** A bit for each message that is here no more. */
  gone: Uint8Array | undefined;
  /** How often each may have been given out; left out: none was, as far as is known. */
  attempts: Uint32Array | undefined;
  /** Changed by the transaction that is under way. */
  isTouched = false;

  /** @param length characters of its contents. */
  constructor(
    readonly firstSeq: number,
    readonly count: number,
    readonly length: number,
  ) {
    this.live = count;
  }

  get lastSeq(): number {
    return this.firstSeq + this.count - 1;
  }

  /** Characters of what is gone, about. */
  get goneLength(): number {
    return (this.length / this.count) * (this.count - this.live);
  }

  /** Places of what is there, in order. */
  *places(): Iterable<number> {
    for (let place = 0; place < this.count; place++) if (this.has(place)) yield place;
  }

  has(place: number): boolean {
    return this.gone === undefined || ((this.gone[place >> 3] ?? 0) & (1 << (place & 7))) === 0;
  }

  remove(place: number): void {
    this.gone ??= new Uint8Array((this.count + 7) >> 3);
    this.gone[place >> 3] = (this.gone[place >> 3] ?? 0) | (1 << (place & 7));
    this.live--;
  }

  /** @param gone a bit for each message that is here no more. */
  removeAll(gone: Uint8Array): void {
    this.gone = Uint8Array.from(gone);
    this.live = 0;
    for (let place = 0; place < this.count; place++) if (this.has(place)) this.live++;
  }

  putBack(place: number): void {
    if (this.gone === undefined) return;
    this.gone[place >> 3] = (this.gone[place >> 3] ?? 0) & ~(1 << (place & 7));
    this.live++;
  }
}

/** Blocks that are gone are cut out once they are this many, and half of all. */
const CUT = 256;

/** Which blocks there are: by seq, and by lane those that have something which nobody has in memory. */
export class BlockIndex {
  /** In the order of their seqs. */
  private blocks: StoredBlock[] = [];
  private goneBlocks = 0;
  private last: StoredBlock | undefined;
  private readonly lanes = new Map<number, StoredBlock[]>();

  /** Adds a block, whose seqs are past those of all others. */
  add(block: StoredBlock): void {
    this.blocks.push(block);
  }

  /** Takes the block back that was added last, and the lanes' word of it. */
  takeBack(block: StoredBlock): void {
    if (this.blocks.pop() !== block) throw new Error("only the last block can be taken back");
    if (this.last === block) this.last = undefined;
    for (const [lane, blocks] of this.lanes) {
      if (blocks[blocks.length - 1] === block) blocks.pop();
      if (blocks.length === 0) this.lanes.delete(lane);
    }
  }

  /** Says that a block has something of a lane that is to be read from it, later. */
  addToLane(queueNo: number, priority: number, block: StoredBlock): void {
    const lane = queueNo * PRIORITIES + priority;
    const blocks = this.lanes.get(lane);
    if (blocks === undefined) this.lanes.set(lane, [block]);
    else if (blocks[blocks.length - 1] !== block) blocks.push(block);
  }

  /** Says that a block has nothing left. */
  noteGone(): void {
    this.goneBlocks++;
    if (this.goneBlocks < CUT || this.goneBlocks * 2 < this.blocks.length) return;
    this.blocks = this.blocks.filter(({ live }) => live > 0);
    this.goneBlocks = 0;
  }

  /** The block that a message is in, if it is in one. */
  holding(seq: number): StoredBlock | undefined {
    const { last } = this;
    const block = last && seq >= last.firstSeq && seq <= last.lastSeq ? last : this.blocks[this.firstFrom(seq)];
    if (block === undefined || seq < block.firstSeq || !block.has(seq - block.firstSeq)) return undefined;
    this.last = block;
    return block;
  }

  /** Blocks with something after a seq, in order. */
  *after(seq: number): Iterable<StoredBlock> {
    const { blocks } = this;
    for (let at = this.firstFrom(seq + 1); at < blocks.length; at++) {
      const block = blocks[at];
      if (block !== undefined && block.live > 0) yield block;
    }
  }

  /** Blocks that may have something of a lane after a seq, in order. What is before it is not asked for again. */
  ofLane(queueNo: number, priority: number, afterSeq: number): readonly StoredBlock[] {
    const lane = queueNo * PRIORITIES + priority;
    const blocks = this.lanes.get(lane);
    if (blocks === undefined) return [];
    // What a transaction has emptied is there again where that fails.
    const left = blocks.findIndex(({ live, isTouched, lastSeq }) => (live > 0 || isTouched) && lastSeq > afterSeq);
    if (left === -1) this.lanes.delete(lane);
    else blocks.splice(0, left);
    return left === -1 ? [] : blocks;
  }

  /** Queues that have been added to a lane. */
  queueNumbers(): Set<number> {
    return new Set([...this.lanes.keys()].map((lane) => Math.floor(lane / PRIORITIES)));
  }

  /** Place of the first block that ends at a seq or later. */
  private firstFrom(seq: number): number {
    let low = 0;
    let high = this.blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const block = this.blocks[middle];
      if (block !== undefined && block.lastSeq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
