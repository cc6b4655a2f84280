import type { BlockHeads } from "./block";

/** Bytes that each takes besides its cells, about. */
const BESIDES = 384;

/** Heads that were read last, as many as there is room for: lanes that share blocks are read one after the other. */
export class RecentHeads {
  /** By first seq, those that were used last at the end. */
  private readonly kept = new Map<number, BlockHeads>();
  private bytes = 0;

  /** @param room bytes that they may take. */
  constructor(private readonly room: number) {}

  get(firstSeq: number): BlockHeads | undefined {
    const heads = this.kept.get(firstSeq);
    if (heads === undefined) return undefined;
    this.kept.delete(firstSeq);
    this.kept.set(firstSeq, heads);
    return heads;
  }

  add(heads: BlockHeads): void {
    this.delete(heads.firstSeq);
    this.kept.set(heads.firstSeq, heads);
    this.bytes += bytesOf(heads);
    for (const oldest of this.kept.keys()) {
      if (this.bytes <= this.room) return;
      this.delete(oldest);
    }
  }

  delete(firstSeq: number): void {
    const heads = this.kept.get(firstSeq);
    if (heads === undefined) return;
    this.bytes -= bytesOf(heads);
    this.kept.delete(firstSeq);
  }

  clear(): void {
    this.kept.clear();
    this.bytes = 0;
  }
}

function bytesOf({ cells }: BlockHeads): number {
  return cells.byteLength + BESIDES;
}
