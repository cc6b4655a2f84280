import { LRUCache } from "lru-cache";
import { BlockContents, type BlockHeads } from "./block";
import type { StoredBlock } from "./block-index";
import type { BlockRows } from "./block-rows";

/** Bytes of heads that are kept after they were read: those of half a million messages in large blocks. */
const HEADS_ROOM = 2 ** 23;
/** Bytes that each block's take besides, about. */
const BESIDES = 384;

/** Reads blocks from the file, and keeps what is likely to be read again. */
export class BlockReader {
  /** Lanes that share blocks are read one after the other. */
  private readonly heads: LRUCache<number, BlockHeads>;
  private last: { readonly block: StoredBlock; readonly contents: BlockContents } | undefined;

  /** @param headsRoom bytes of heads that are kept after they were read. */
  constructor(
    private readonly stored: Pick<BlockRows, "heads" | "runText">,
    headsRoom = HEADS_ROOM,
  ) {
    const sizeCalculation = ({ cells }: BlockHeads): number => cells.byteLength + BESIDES;
    this.heads = new LRUCache({ maxSize: headsRoom, sizeCalculation });
  }

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
    this.heads.set(block.firstSeq, read);
    return read;
  }
}
