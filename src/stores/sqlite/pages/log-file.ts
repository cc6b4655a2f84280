/** The write-ahead log beside the database file: pages that were committed and are not in the main file yet. */
import fs from "node:fs";

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** The last bit says in which order of bytes checksums are counted. */
const MAGIC = 0x377f0682;
const FRAMES_AT_ONCE = 64;

export interface LogFile {
  readonly pageSize: number;
  /** Where the newest version of each page stands in the log's file. */
  readonly pages: ReadonlyMap<number, number>;
  /** Pages that the database has after the last commit in the log; undefined: the log has none. */
  readonly pageCount: number | undefined;
  /** What shows that something confirmed is lost: SQLite itself would end the log there and say nothing. */
  readonly faults: readonly string[];
  /** Frames of a last commit that is not whole, which is what a power cut leaves of one that was not confirmed. */
  readonly tornFrames: number;
}

interface Frame {
  readonly pageNo: number;
  /** Pages of the database after the commit that this frame ends; 0: it ends none. */
  readonly commitPages: number;
  readonly dataAt: number;
  /** Whether it belongs to what was written since the log last began anew, as far as can be seen. */
  readonly isCurrent: boolean;
  readonly isWhole: boolean;
}

/**
 * Reads a log.
 *
 * @param how `whole`: up to the first frame that is damaged, as SQLite does. `all`: past it, for what can be saved.
 * @returns undefined when there is none.
 */
export function readLog(file: string, how: "whole" | "all"): LogFile | undefined {
  let fd: number;
  try {
    fd = fs.openSync(file, "r");
  } catch {
    return undefined;
  }
  try {
    const bytes = fs.fstatSync(fd).size;
    return bytes < HEADER_BYTES ? undefined : new LogReader(fd, bytes).read(how);
  } finally {
    fs.closeSync(fd);
  }
}

class LogReader {
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private readonly pageSize: number;
  private readonly frameBytes: number;
  private readonly isHeaderWhole: boolean;

  constructor(
    private readonly fd: number,
    private readonly bytes: number,
  ) {
    fs.readSync(fd, this.header, 0, HEADER_BYTES, 0);
    const stated = this.header.readUInt32BE(8);
    const isSize = stated >= 512 && stated <= 65_536 && (stated & (stated - 1)) === 0;
    this.pageSize = isSize ? stated : 4096;
    this.frameBytes = FRAME_HEADER_BYTES + this.pageSize;
    const sums = checksum(this.header, 0, 24, this.isBigEndian, [0, 0]);
    this.isHeaderWhole =
      isSize &&
      (this.header.readUInt32BE(0) & ~1) >>> 0 === MAGIC &&
      sums[0] === this.header.readUInt32BE(24) &&
      sums[1] === this.header.readUInt32BE(28);
  }

  read(how: "whole" | "all"): LogFile {
    const frames = this.frames();
    const firstBad = frames.findIndex((frame) => !frame.isWhole);
    const ended = firstBad === -1 ? frames.length : firstBad;
    const lastCurrent = lastIndex(frames, (frame) => frame.isCurrent);
    const faults: string[] = [];
    if (!this.isHeaderWhole) faults.push("the header of its log is damaged");
    else if (isProvenLoss(frames, ended)) {
      faults.push(`its log is damaged at frame ${ended + 1}, and later commits follow it`);
    }
    const upTo = how === "all" ? frames.length : this.isHeaderWhole ? ended : 0;
    const lastCommit = lastIndex(frames.slice(0, upTo), (frame) => frame.isCurrent && frame.commitPages > 0);
    const pages = new Map<number, number>();
    for (const { pageNo, dataAt, isCurrent } of frames.slice(0, lastCommit + 1)) {
      if (isCurrent && pageNo > 0) pages.set(pageNo, dataAt);
    }
    return {
      pageSize: this.pageSize,
      pages,
      pageCount: frames[lastCommit]?.commitPages,
      faults,
      tornFrames: Math.max(0, lastCurrent - lastCommit),
    };
  }

  private get isBigEndian(): boolean {
    return (this.header.readUInt32BE(0) & 1) === 1;
  }

  private frames(): Frame[] {
    const frames: Frame[] = [];
    const salts = this.isHeaderWhole ? [this.header.readUInt32BE(16), this.header.readUInt32BE(20)] : undefined;
    const buffer = Buffer.alloc(this.frameBytes * FRAMES_AT_ONCE);
    let seed: readonly [number, number] = [this.header.readUInt32BE(24), this.header.readUInt32BE(28)];
    let first = salts;
    for (let at = HEADER_BYTES; at + this.frameBytes <= this.bytes; at += buffer.length) {
      const got = fs.readSync(this.fd, buffer, 0, buffer.length, at);
      for (let start = 0; start + this.frameBytes <= got; start += this.frameBytes) {
        const [salt1, salt2] = [buffer.readUInt32BE(start + 8), buffer.readUInt32BE(start + 12)];
        // With no header to say, the first frame tells which frames are of one time.
        first ??= [salt1, salt2];
        // Frames from before the log began anew differ in both; damage is seldom to both.
        const isCurrent = salt1 === first[0] || salt2 === first[1];
        const stated: readonly [number, number] = [buffer.readUInt32BE(start + 16), buffer.readUInt32BE(start + 20)];
        const pageNo = buffer.readUInt32BE(start);
        const isWhole =
          isCurrent &&
          salt1 === first[0] &&
          salt2 === first[1] &&
          pageNo > 0 &&
          this.matches(buffer, start, seed, stated);
        frames.push({
          pageNo,
          commitPages: buffer.readUInt32BE(start + 4),
          dataAt: at + start + FRAME_HEADER_BYTES,
          isCurrent,
          isWhole,
        });
        seed = stated;
      }
    }
    return frames;
  }

  private matches(
    buffer: Buffer,
    start: number,
    seed: readonly [number, number],
    stated: readonly [number, number],
  ): boolean {
    const afterHeader = checksum(buffer, start, start + 8, this.isBigEndian, seed);
    const sums = checksum(buffer, start + FRAME_HEADER_BYTES, start + this.frameBytes, this.isBigEndian, afterHeader);
    return sums[0] === stated[0] && sums[1] === stated[1];
  }
}

/**
 * Each commit is synced before the next is written. So of what a power cut tears, all belongs to one commit; where a
 * commit ends behind the damage and another begins after it, the damage came later.
 */
function isProvenLoss(frames: readonly Frame[], firstBad: number): boolean {
  const end = frames.findIndex((frame, index) => index >= firstBad && frame.isCurrent && frame.commitPages > 0);
  return end !== -1 && frames.some((frame, index) => index > end && frame.isCurrent);
}

function lastIndex(frames: readonly Frame[], matches: (frame: Frame) => boolean): number {
  let last = -1;
  for (const [index, frame] of frames.entries()) if (matches(frame)) last = index;
  return last;
}

function checksum(
  bytes: Buffer,
  from: number,
  to: number,
  isBigEndian: boolean,
  [seed1, seed2]: readonly [number, number],
): [number, number] {
  let sum1 = seed1;
  let sum2 = seed2;
  for (let at = from; at < to; at += 8) {
    sum1 = (sum1 + (isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)) + sum2) >>> 0;
    sum2 = (sum2 + (isBigEndian ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4)) + sum1) >>> 0;
  }
  return [sum1, sum2];
}
