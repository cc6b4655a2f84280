import { crc32 } from "node:zlib";
import { sizeOf } from "../../queue/message";
import type { AppendRow } from "../ledger/journal";
import { contentText } from "./content-check";

/**
 * Messages that came together, with seqs that follow one another, so that a seq leads to its place. The file has a row of
 * their heads, and their contents in runs of about a page, so that one message is read by its run.
 */
export interface PackedBlock {
  readonly firstSeq: number;
  /**
   * Of each message: queue; priority, whether it may be leased at once, and whether a run begins with it; length of its
   * content; bytes as `sizeOf` counts.
   */
  readonly heads: Uint32Array;
  /** The contents of each run, one after the other. */
  readonly runs: readonly string[];
  /** By place, of those that are not told from others by their ids. */
  readonly dedupIds: readonly (string | undefined)[] | undefined;
}

const HEAD_CELLS = 4;
const PRIORITY_BITS = 0xf;
const RESIDENT_BIT = 0x10;
const RUN_BIT = 0x20;
/** Characters of contents past which the next message begins another block: heads that are read for one are not too many. */
const BLOCK_LENGTH = 2 ** 17;
/** Characters of contents past which the next message begins another run: of messages of some hundred, about a page. */
const RUN_LENGTH = 3_500;

/** Whether a message can be in a block: one that has its times and places changed by itself has a row of its own. */
export function fitsBlock({ message, dueAt }: AppendRow): boolean {
  return dueAt === undefined && message.expiresAt === undefined;
}

/** @param rows with seqs that grow. */
export function packBlocks(rows: readonly AppendRow[]): PackedBlock[] {
  const blocks: PackedBlock[] = [];
  let firstSeq = 0;
  let heads: number[] = [];
  let runs: string[] = [];
  let dedupIds: (string | undefined)[] | undefined;
  let run = "";
  let length = 0;
  const endRun = (): void => {
    if (run !== "") runs.push(run);
    run = "";
  };
  const end = (): void => {
    endRun();
    if (heads.length > 0) blocks.push({ firstSeq, heads: Uint32Array.from(heads), runs, dedupIds });
    heads = [];
    runs = [];
    dedupIds = undefined;
    length = 0;
  };
  for (const { message, resident, dedupId } of rows) {
    const { seq, queueNo, priority } = message;
    if (length >= BLOCK_LENGTH || seq !== firstSeq + heads.length / HEAD_CELLS) {
      end();
      firstSeq = seq;
    }
    const content = contentText(message);
    if (run.length >= RUN_LENGTH) endRun();
    if (dedupId !== undefined) (dedupIds ??= [])[heads.length / HEAD_CELLS] = dedupId;
    const bits = (resident ? RESIDENT_BIT : 0) | (run === "" ? RUN_BIT : 0);
    heads.push(queueNo, priority | bits, content.length, sizeOf(message));
    run += content;
    length += content.length;
  }
  end();
  return blocks;
}

/** The seq of the last message of such heads. */
export function lastSeqOf({ firstSeq, heads }: Pick<PackedBlock, "firstSeq" | "heads">): number {
  return firstSeq + heads.length / HEAD_CELLS - 1;
}

/** Reads the heads of a block, by the places of its messages. */
export class BlockHeads {
  readonly count: number;

  constructor(
    readonly firstSeq: number,
    readonly cells: Uint32Array,
  ) {
    this.count = Math.floor(cells.length / HEAD_CELLS);
  }

  /** @param bytes as the file has them. */
  static of(firstSeq: number, bytes: Buffer): BlockHeads {
    // Not all places in memory can hold numbers.
    const placed = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
    return new BlockHeads(firstSeq, new Uint32Array(placed.buffer, placed.byteOffset, Math.floor(placed.length / 4)));
  }

  queueNo(place: number): number {
    return this.cells[place * HEAD_CELLS] ?? 0;
  }

  priority(place: number): number {
    return (this.cells[place * HEAD_CELLS + 1] ?? 0) & PRIORITY_BITS;
  }

  /** Whether it may have been leased since it was stored. */
  wasResident(place: number): boolean {
    return ((this.cells[place * HEAD_CELLS + 1] ?? 0) & RESIDENT_BIT) !== 0;
  }

  contentLength(place: number): number {
    return this.cells[place * HEAD_CELLS + 2] ?? 0;
  }

  bytes(place: number): number {
    return this.cells[place * HEAD_CELLS + 3] ?? 0;
  }

  isOfLane(place: number, queueNo: number, priority: number): boolean {
    return this.queueNo(place) === queueNo && this.priority(place) === priority;
  }

  /** Characters of all contents. */
  get length(): number {
    let length = 0;
    for (let place = 0; place < this.count; place++) length += this.contentLength(place);
    return length;
  }

  /** Whether a run begins with the content of a message. */
  beginsRun(place: number): boolean {
    return place === 0 || ((this.cells[place * HEAD_CELLS + 1] ?? 0) & RUN_BIT) !== 0;
  }

  /** All runs, in order. */
  *runs(): Iterable<Run> {
    for (let first = 0, next = 0; first < this.count; first = next) {
      let length = 0;
      do length += this.contentLength(next++);
      while (next < this.count && !this.beginsRun(next));
      yield { first, next, firstSeq: this.firstSeq + first, length };
    }
  }
}

/** Messages of which the contents are in a row of the file together: from one place to before another. */
export interface Run {
  readonly first: number;
  readonly next: number;
  /** The seq of the first of them. */
  readonly firstSeq: number;
  /** Characters of their contents. */
  readonly length: number;
}

/** What a block's messages say, read from the file a run at a time. */
export class BlockContents {
  /** What was read last: the place with which it begins. */
  private run = -1;
  private text = "";

  /** @param read gives the text of the run that begins with a seq. */
  constructor(
    readonly heads: BlockHeads,
    private readonly read: (firstSeq: number) => string,
  ) {}

  /** As `contentText` has it. @throws DamagedError when it is not what was stored. */
  content(place: number): string {
    let begin = 0;
    let run = place;
    while (!this.heads.beginsRun(run)) begin += this.heads.contentLength(--run);
    this.open(run);
    return this.text.slice(begin, begin + this.heads.contentLength(place));
  }

  /** Places of the messages in runs that have a text somewhere. @throws DamagedError when one is not what was stored. */
  *placesNear(part: string): Iterable<number> {
    for (const { first, next } of this.heads.runs()) {
      this.open(first);
      if (!this.text.includes(part)) continue;
      for (let place = first; place < next; place++) yield place;
    }
  }

  private open(run: number): void {
    if (run === this.run) return;
    this.text = this.read(this.heads.firstSeq + run);
    this.run = run;
  }
}

/** The checksum of a block's heads. */
export function headsCheck({ firstSeq, cells }: BlockHeads): number {
  return crc32(new Uint8Array(cells.buffer, cells.byteOffset, cells.byteLength), crc32(String(firstSeq)));
}

/** The checksum of a run's contents. */
export function runCheck(firstSeq: number, text: string): number {
  return crc32(text, crc32(String(firstSeq)));
}

/** The checksum of what has become of a block's messages. */
export function stateCheck(firstSeq: number, gone: Uint8Array, attempts: Uint8Array | null): number {
  const check = crc32(gone, crc32(String(firstSeq)));
  return attempts === null ? check : crc32(attempts, check);
}
