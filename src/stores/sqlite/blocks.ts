import type { Database, Statement } from "better-sqlite3";
import type { LaneCount } from "../ledger/journal";
import { BlockHeads, type BlockContents, type PackedBlock } from "./block";
import { BlockIndex, StoredBlock } from "./block-index";
import { BlockReader } from "./block-reader";
import { BlockRows } from "./block-rows";
import type { Calls } from "./calls";
import { readContent } from "./content-check";
import type { IdWindow } from "./id-window";
import { LaneCounts } from "./lane-counts";
import type { LeaseMarks, StoredMarks } from "./lease-marks";
import type { Attempted, MessageRows } from "./message-rows";

export interface BlockLimits {
  /** Characters of messages that are gone which may lie about in blocks, besides as many as there are of those that wait. */
  readonly goneLength: number;
}

const USUAL_LIMITS: BlockLimits = { goneLength: 2 ** 25 };
/** Blocks whose leftovers are put in rows in one transaction. */
const TIDIED_AT_ONCE = 4;

/** A message that waits in a block. */
export interface BlockedMessage {
  readonly seq: number;
  readonly queueNo: number;
  /** As `sizeOf` counts. */
  readonly bytes: number;
  readonly attempts: number;
  /** As `contentText` has it. */
  readonly content: string;
}

/**
 * Messages that are stored many a row: to store them, and to note that they are gone, costs a commit little more however
 * many they are. Where one is to change, it gets a row of its own.
 */
export class Blocks {
  private readonly index = new BlockIndex();
  private readonly stored: BlockRows;
  private readonly reader: BlockReader;
  private readonly setResidentFrom: Statement;
  /** From this seq on, what was in memory as it was stored may have been given out since. */
  private residentFrom: number;
  /** What there is of each lane, until somebody has asked. */
  private counted: LaneCounts | undefined;
  /** Characters of all blocks, and of what is gone of them. */
  private length = 0;
  private goneLength = 0;
  /** Blocks of which little is left. */
  private sparse: StoredBlock[] = [];
  /** What the transaction that is under way has added, changed, and taken out. */
  private added: StoredBlock[] = [];
  private touched: StoredBlock[] = [];
  private taken: { readonly block: StoredBlock; readonly place: number }[] = [];

  constructor(
    database: Database,
    private readonly ids: IdWindow,
    private readonly marks: LeaseMarks,
    private readonly rows: MessageRows,
    private readonly limits = USUAL_LIMITS,
  ) {
    this.stored = new BlockRows(database);
    this.reader = new BlockReader(this.stored);
    this.setResidentFrom = database.prepare("UPDATE meta SET value = ? WHERE key = 'resident_from'");
    const residentFrom = database.prepare("SELECT value FROM meta WHERE key = 'resident_from'").pluck().get();
    this.residentFrom = Number(residentFrom);
    this.counted = new LaneCounts();
    for (const { block, heads } of this.stored.all()) {
      this.index.add(block);
      this.length += block.length;
      this.goneLength += block.goneLength;
      if (isSparse(block)) this.sparse.push(block);
      for (let place = 0; place < block.count; place++) {
        if (!block.has(place)) continue;
        this.index.addToLane(heads.queueNo(place), heads.priority(place), block);
        this.counted.add(heads.queueNo(place), heads.priority(place), heads.bytes(place));
      }
    }
  }

  /** @returns the duplicates: the message's index and the first seq of its id, in turn. */
  append({ blocks }: Calls["appendBlocks"][0]): number[] {
    const duplicates: number[] = [];
    let index = 0;
    for (const packed of blocks) {
      const { firstSeq, runs, dedupIds } = packed;
      const heads = new BlockHeads(firstSeq, packed.heads);
      const block = new StoredBlock(firstSeq, heads.count, heads.length);
      let run = -1;
      let at = 0;
      for (let place = 0; place < block.count; at += heads.contentLength(place++), index++) {
        if (heads.beginsRun(place)) {
          run++;
          at = 0;
        }
        const id = dedupIds?.[place] ?? idOf(runs[run] ?? "", at);
        const first = this.ids.remember(heads.queueNo(place), id, firstSeq + place);
        if (first === 0) continue;
        duplicates.push(index, first);
        block.remove(place);
      }
      if (block.live > 0) this.add(block, heads, packed);
    }
    return duplicates;
  }

  /** Ends a message. @returns whether it was in a block. */
  end(seq: number): boolean {
    const block = this.index.holding(seq);
    if (block === undefined) return false;
    this.takeOut(block, seq - block.firstSeq);
    return true;
  }

  /**
   * Gives a message a row of its own.
   *
   * @param as how it stands from now on; left out: as it has stood.
   * @returns whether it was in a block.
   */
  moveToRow(seq: number, as?: Attempted & { readonly dueAt: number | null }): boolean {
    const block = this.index.holding(seq);
    if (block === undefined) return false;
    const place = seq - block.firstSeq;
    const contents = this.reader.contentsOf(block);
    const queueNo = contents.heads.queueNo(place);
    const content = readContent(contents.content(place));
    const dueAt = as?.dueAt ?? null;
    this.rows.insert(
      { ...content, seq, queueNo, dueAt, isDueFixed: null, expiresAt: null },
      as ?? { attempts: block.attempts?.[place] ?? 0, failures: 0, error: null },
    );
    // A row says nothing of that by itself.
    if (dueAt === null && this.mayBeOut(contents.heads, place)) this.marks.raise(queueNo, content.priority, seq);
    this.takeOut(block, place);
    return true;
  }

  /** Notes how often a message was given out. @returns whether it is in a block. */
  setAttempts(seq: number, attempts: number): boolean {
    const block = this.index.holding(seq);
    if (block === undefined) return false;
    block.attempts ??= new Uint32Array(block.count);
    block.attempts[seq - block.firstSeq] = attempts;
    this.touch(block);
    return true;
  }

  /** The next messages of a lane after a seq, in order. */
  ofLane(queueNo: number, priority: number, afterSeq: number, limit: number, limitBytes: number): BlockedMessage[] {
    const found: BlockedMessage[] = [];
    let bytes = 0;
    for (const block of this.index.ofLane(queueNo, priority, afterSeq)) {
      if (found.length >= limit || bytes >= limitBytes) break;
      if (block.live === 0) continue;
      const contents = this.reader.contentsOf(block);
      const { heads } = contents;
      for (let place = Math.max(0, afterSeq + 1 - block.firstSeq); place < block.count; place++) {
        if (!heads.isOfLane(place, queueNo, priority) || !block.has(place)) continue;
        if (found.length >= limit || bytes >= limitBytes) break;
        bytes += heads.bytes(place);
        found.push(blockedMessage(block, place, contents));
      }
    }
    return found;
  }

  /** A message, if it is in a block. */
  find(seq: number): BlockedMessage | undefined {
    const block = this.index.holding(seq);
    return block && blockedMessage(block, seq - block.firstSeq, this.reader.contentsOf(block));
  }

  /** The messages of an id after a seq and up to another, in order. */
  named(id: string, afterSeq: number, upToSeq: number): BlockedMessage[] {
    const found: BlockedMessage[] = [];
    for (const block of this.index.after(afterSeq)) {
      if (block.firstSeq > upToSeq) break;
      const contents = this.reader.contentsOf(block);
      for (const place of contents.placesNear(`\n${id}\n`)) {
        const seq = block.firstSeq + place;
        if (seq <= afterSeq || seq > upToSeq || !block.has(place)) continue;
        const message = blockedMessage(block, place, contents);
        if (readContent(message.content).id === id) found.push(message);
      }
    }
    return found;
  }

  /** Up to which seq so many messages after another are, about; undefined: there are not as many. */
  seqAfter(afterSeq: number, count: number): number | undefined {
    let passed = 0;
    for (const block of this.index.after(afterSeq)) {
      passed += block.live;
      if (passed >= count) return block.lastSeq;
    }
    return undefined;
  }

  /** What there was of each lane at the start. */
  takeLaneCounts(): LaneCount[] {
    const counted = this.counted?.all() ?? [];
    this.counted = undefined;
    return counted;
  }

  /** Queues that had something in a block at the start, or that were to be read from one since. */
  queueNumbers(): Set<number> {
    return this.index.queueNumbers();
  }

  /**
   * At a start: counts an attempt for each message that may have been given out before.
   *
   * @param marks up to which seq messages that were read back may have been.
   */
  countAttempts(marks: StoredMarks): void {
    for (const block of this.index.after(0)) {
      if (block.firstSeq > marks.newest && block.lastSeq < this.residentFrom) continue;
      const heads = this.stored.heads(block);
      for (const place of block.places()) {
        const seq = block.firstSeq + place;
        if (!this.mayBeOut(heads, place) && seq > marks.of(heads.queueNo(place), heads.priority(place))) continue;
        this.setAttempts(seq, (block.attempts?.[place] ?? 0) + 1);
      }
    }
  }

  /** What is here has been counted, or is known exactly: only what comes after this seq may be given out unnoticed. */
  settleResidents(lastSeq: number): void {
    this.residentFrom = lastSeq + 1;
    this.setResidentFrom.run(this.residentFrom);
  }

  /** Last in a transaction: puts leftovers in rows where much is gone, and writes what has become of the others. */
  write(): void {
    this.tidy();
    for (const block of this.touched) {
      if (block.live > 0) this.stored.save(block);
      else this.stored.delete(block);
    }
  }

  /** The transaction was committed. */
  keep(): void {
    for (const block of this.touched) {
      block.isTouched = false;
      if (block.live === 0) this.drop(block);
    }
    if (this.sparse[0]?.live === 0) this.sparse = this.sparse.filter(({ live }) => live > 0);
    this.added = [];
    this.touched = [];
    this.taken = [];
  }

  /** The transaction was rolled back. */
  forget(): void {
    for (const { block, place } of this.taken) {
      this.goneLength -= block.length / block.count;
      block.putBack(place);
    }
    for (const block of this.touched) block.isTouched = false;
    for (const block of this.added.reverse()) {
      this.length -= block.length;
      this.goneLength -= block.goneLength;
      this.index.takeBack(block);
    }
    this.reader.forgetAll();
    this.added = [];
    this.touched = [];
    this.taken = [];
  }

  private add(block: StoredBlock, heads: BlockHeads, packed: PackedBlock): void {
    // Before it is written: where there is no room for it, all of this is taken back.
    this.index.add(block);
    this.added.push(block);
    this.length += block.length;
    this.goneLength += block.goneLength;
    for (const place of block.places()) {
      if (!heads.wasResident(place)) this.index.addToLane(heads.queueNo(place), heads.priority(place), block);
    }
    this.stored.insert(packed);
    if (block.gone !== undefined) this.touch(block);
  }

  private takeOut(block: StoredBlock, place: number): void {
    const wasSparse = isSparse(block);
    block.remove(place);
    this.goneLength += block.length / block.count;
    this.taken.push({ block, place });
    this.touch(block);
    if (!wasSparse && isSparse(block)) this.sparse.push(block);
  }

  private touch(block: StoredBlock): void {
    if (block.isTouched) return;
    block.isTouched = true;
    this.touched.push(block);
  }

  private drop(block: StoredBlock): void {
    this.length -= block.length;
    this.goneLength -= block.length;
    this.index.noteGone();
    this.reader.forget(block);
  }

  private tidy(): void {
    let tidied = 0;
    for (const block of this.sparse) {
      if (tidied === TIDIED_AT_ONCE || this.goneLength * 2 <= this.length + this.limits.goneLength) return;
      if (block.live === 0 || !isSparse(block)) continue;
      for (const place of block.places()) this.moveToRow(block.firstSeq + place);
      tidied++;
    }
  }

  private mayBeOut(heads: BlockHeads, place: number): boolean {
    return heads.wasResident(place) && heads.firstSeq + place >= this.residentFrom;
  }
}

function isSparse({ live, count }: StoredBlock): boolean {
  return live * 4 <= count;
}

/** The id in a content that begins there: its third line. */
function idOf(text: string, at: number): string {
  const from = text.indexOf("\n", text.indexOf("\n", at) + 1) + 1;
  return text.slice(from, text.indexOf("\n", from));
}

function blockedMessage(block: StoredBlock, place: number, contents: BlockContents): BlockedMessage {
  const { heads } = contents;
  return {
    seq: block.firstSeq + place,
    queueNo: heads.queueNo(place),
    bytes: heads.bytes(place),
    attempts: block.attempts?.[place] ?? 0,
    content: contents.content(place),
  };
}
