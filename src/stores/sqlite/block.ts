import { crc32 } from "node:zlib";
import { sizeOf } from "../../queue/message";
import type { AppendRow } from "../ledger/journal";
import { contentText } from "./content-check";
import { DamagedError } from "./damage";

/**
 * Messages that came together, in one row of the file: their contents in a row, as one text, and a head for each of them.
 * They have seqs that follow one another, so that a seq leads to its place.
 */
export interface PackedBlock {
  readonly firstSeq: number;
  /** Of each message: queue, priority and whether it may be leased at once, length of its content, bytes as `sizeOf` counts. */
  readonly heads: Uint32Array;
  readonly text: string;
}

const HEAD_CELLS = 4;
const PRIORITY_BITS = 0xf;
const RESIDENT_BIT = 0x10;
/** Characters of contents past which the next message begins another block: what is read for one of them is not too much. */
const BLOCK_LENGTH = 2 ** 17;
/** Characters of contents that have a checksum together, at the least: about what one page of the file holds. */
const CHECKED_LENGTH = 4_096;

/** Whether a message can be in a block: one that has its times and places changed by itself has a row of its own. */
export function fitsBlock({ message, dueAt }: AppendRow): boolean {
  return dueAt === undefined && message.expiresAt === undefined;
}

/** @param rows with seqs that grow. */
export function packBlocks(rows: readonly AppendRow[]): PackedBlock[] {
  const blocks: PackedBlock[] = [];
  let firstSeq = 0;
  let heads: number[] = [];
  let text = "";
  const end = (): void => {
    if (heads.length > 0) blocks.push({ firstSeq, heads: Uint32Array.from(heads), text });
    heads = [];
    text = "";
  };
  for (const { message, resident } of rows) {
    const { seq, queueNo, priority } = message;
    if (text.length >= BLOCK_LENGTH || seq !== firstSeq + heads.length / HEAD_CELLS) {
      end();
      firstSeq = seq;
    }
    const content = contentText(message);
    heads.push(queueNo, resident ? priority | RESIDENT_BIT : priority, content.length, sizeOf(message));
    text += content;
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

  /** Characters of all contents. */
  get length(): number {
    let length = 0;
    for (let place = 0; place < this.count; place++) length += this.contentLength(place);
    return length;
  }
}

/** A block with its contents, all of them what was stored. */
export class BlockContents {
  /** Where the content of each message begins. */
  private readonly begins: Int32Array;

  /** @throws DamagedError when one of them is not what was stored. */
  constructor(
    readonly heads: BlockHeads,
    private readonly text: string,
    checks: Buffer,
  ) {
    const [damaged] = damagedPlaces(heads, text, checks);
    if (damaged !== undefined) throw new DamagedError(`message ${heads.firstSeq + damaged} is not what was stored`);
    this.begins = beginsOf(heads);
  }

  /** As `contentText` has it. */
  content(place: number): string {
    const from = this.begins[place] ?? 0;
    return this.text.slice(from, from + this.heads.contentLength(place));
  }

  /** Whether a text stands somewhere in it. */
  includes(part: string): boolean {
    return this.text.includes(part);
  }
}

/** Where in the text the content of each message begins. */
export function beginsOf(heads: BlockHeads): Int32Array {
  const begins = new Int32Array(heads.count);
  for (let place = 0, at = 0; place < heads.count; at += heads.contentLength(place++)) begins[place] = at;
  return begins;
}

/** The checksums of a block: of its heads, and of each run of contents. */
export function checksOf(heads: BlockHeads, text: string): Buffer {
  const checks = [headsCheck(heads)];
  eachRun(heads, (_places, from, to) => checks.push(crc32(text.slice(from, to))));
  const bytes = Buffer.alloc(checks.length * 4);
  checks.forEach((check, place) => bytes.writeUInt32LE(check, place * 4));
  return bytes;
}

/** Whether the heads are what was stored. */
export function areHeadsWhole(heads: BlockHeads, checks: Buffer): boolean {
  return checks.length >= 4 && checks.readUInt32LE(0) === headsCheck(heads);
}

/** Places of the messages that are not what was stored, as far as checksums tell; all of them where the heads are not. */
export function damagedPlaces(heads: BlockHeads, text: string, checks: Buffer): number[] {
  const damaged: number[] = [];
  const areWhole = areHeadsWhole(heads, checks);
  let run = 1;
  eachRun(heads, ([first, next], from, to) => {
    const check = 4 * run++;
    const isWhole =
      areWhole &&
      to <= text.length &&
      check + 4 <= checks.length &&
      crc32(text.slice(from, to)) === checks.readUInt32LE(check);
    for (let place = first; !isWhole && place < next; place++) damaged.push(place);
  });
  const isRight = checks.length === 4 * run && text.length === heads.length;
  return isRight || damaged.length > 0 ? damaged : [Math.max(0, heads.count - 1)];
}

function headsCheck({ firstSeq, cells }: BlockHeads): number {
  return crc32(new Uint8Array(cells.buffer, cells.byteOffset, cells.byteLength), crc32(String(firstSeq)));
}

/** @param take told of the places of each run's messages, from one to before another, and where in the text they stand. */
function eachRun(
  heads: BlockHeads,
  take: (places: readonly [first: number, next: number], from: number, to: number) => void,
): void {
  let first = 0;
  let from = 0;
  let to = 0;
  for (let place = 0; place < heads.count; place++) {
    to += heads.contentLength(place);
    if (to - from < CHECKED_LENGTH && place < heads.count - 1) continue;
    take([first, place + 1], from, to);
    first = place + 1;
    from = to;
  }
}
