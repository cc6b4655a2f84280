import { BlockContents, type BlockHeads } from "./block";
import type { StoredBlock } from "./block-index";
import type { BlockRows } from "./block-rows";
import { RecentHeads } from "./recent-heads";

/** Bytes of heads that are kept after they were read: those of half a million messages in large blocks. */
const HEADS_ROOM = 2 ** 23;

/** Reads blocks from the file, and keeps what is likely to be read again. */
export class BlockReader {
  private readonly heads = new RecentHeads(HEADS_ROOM);
  private last: { readonly block: StoredBlock; readonly contents: BlockContents } | undefined;

  constructor(private readonly stored: BlockRows) {}

  /** What its messages say, each read as it is asked for. @throws DamagedError when its heads are not what was stored. */
  contentsOf(block: StoredBlock): BlockContents {
    if (this.last?.block !== block) {
      const contents = new BlockContents(this.headsOf(block), (firstSeq) => this.stored.runText(firstSeq));
      this.last = { block, contents };
    }
    return this.last.contents;
  }

  /** It is there no more. */
  forget(block: StoredBlock): void {
    this.heads.delete(block.firstSeq);
    if (this.last?.block === block) this.last = undefined;
  }

  /** What was read may not be there: its transaction failed. */
  forgetAll(): void {
    this.heads.clear();
    this.last = undefined;
  }

  private headsOf(block: StoredBlock): BlockHeads {
    const known = this.heads.get(block.firstSeq);
    if (known !== undefined) return known;
    const read = this.stored.heads(block);
    this.heads.add(read);
    return read;
  }
}
