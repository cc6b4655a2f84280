import fs from "node:fs";
import { readLog, type LogFile } from "./log-file";

const MAGIC = "SQLite format 3\0";
export const HEADER_BYTES = 100;
/** Pages read at once: a tree's pages mostly stand in the order in which they were written. */
const PAGES_AT_ONCE = 16;
/** SQLite keeps locks on the page that holds this byte, and nothing else on it. */
const LOCK_BYTE = 0x40000000;

/** A database file page by page, each in its newest version: from the log, where that has it. Nothing is written. */
export class PageFile {
  readonly pageSize: number;
  /** Bytes of a page that hold its content. */
  readonly usableBytes: number;
  readonly pageCount: number;
  /** The page that holds nothing, or 0. */
  readonly lockPage: number;
  /** What is wrong with the header, the length or the log, in words. */
  readonly faults: readonly string[];
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private readonly fileBytes: number;
  private readonly chunk: Buffer;
  private readonly logPage: Buffer;
  private chunkFrom = 0;
  private chunkPages = 0;

  /**
   * Opens a file with its log.
   *
   * @param damagedLog what to do with a log that is damaged: end it there, as SQLite does, or go on past it.
   * @throws Error when the file cannot be read.
   */
  static open(file: string, damagedLog: "end" | "pass" = "end"): PageFile {
    const log = readLog(`${file}-wal`, damagedLog === "pass" ? "all" : "whole");
    const logFd = log && log.pages.size > 0 ? fs.openSync(`${file}-wal`, "r") : undefined;
    try {
      return new PageFile(fs.openSync(file, "r"), logFd, log);
    } catch (error) {
      if (logFd !== undefined) fs.closeSync(logFd);
      throw error;
    }
  }

  /** The file without its log, by a descriptor that stays the caller's. */
  static ofDescriptor(fd: number): PageFile {
    return new PageFile(fd, undefined, undefined);
  }

  private constructor(
    private readonly fd: number,
    private readonly logFd: number | undefined,
    private readonly log: LogFile | undefined,
  ) {
    this.fileBytes = fs.fstatSync(this.fd).size;
    this.readHeader();
    const stated = this.header.readUInt16BE(16) === 1 ? 65_536 : this.header.readUInt16BE(16);
    const isSize = stated >= 512 && (stated & (stated - 1)) === 0;
    this.pageSize = isSize ? stated : (this.log?.pageSize ?? 4096);
    this.usableBytes = this.pageSize - (this.header[20] ?? 0);
    this.lockPage = LOCK_BYTE / this.pageSize + 1;
    const inFile = Math.floor(this.fileBytes / this.pageSize);
    this.pageCount = this.log?.pageCount ?? (this.header.readUInt32BE(28) || inFile);
    this.faults = [...this.headerFaults(isSize), ...(this.log?.faults ?? []), ...this.lengthFaults(inFile)];
    this.chunk = Buffer.alloc(this.pageSize * PAGES_AT_ONCE);
    this.logPage = Buffer.alloc(this.pageSize);
  }

  get bytes(): number {
    return this.fileBytes;
  }

  /** Whether it was a database once, as far as its first bytes tell. */
  get isDatabase(): boolean {
    let alike = 0;
    for (let at = 0; at < MAGIC.length; at++) if (this.header[at] === MAGIC.charCodeAt(at)) alike++;
    return alike >= MAGIC.length - 4;
  }

  get hasLog(): boolean {
    return this.log?.pageCount !== undefined;
  }

  get tornFrames(): number {
    return this.log?.tornFrames ?? 0;
  }

  get schemaVersion(): number {
    return this.header.readUInt32BE(60);
  }

  get applicationId(): number {
    return this.header.readUInt32BE(68);
  }

  get freelist(): { readonly first: number; readonly count: number } {
    return { first: this.header.readUInt32BE(32), count: this.header.readUInt32BE(36) };
  }

  has(pageNo: number): boolean {
    return pageNo >= 1 && pageNo <= this.pageCount;
  }

  /** Good until the next call. A page past the end of the file reads as zeros. */
  read(pageNo: number): Buffer {
    const inLog = this.log?.pages.get(pageNo);
    if (inLog !== undefined && this.logFd !== undefined) {
      this.fill(this.logFd, this.logPage, inLog);
      return this.logPage;
    }
    if (pageNo < this.chunkFrom || pageNo >= this.chunkFrom + this.chunkPages) {
      this.chunkFrom = pageNo;
      this.chunkPages = PAGES_AT_ONCE;
      this.fill(this.fd, this.chunk, (pageNo - 1) * this.pageSize);
    }
    const at = (pageNo - this.chunkFrom) * this.pageSize;
    return this.chunk.subarray(at, at + this.pageSize);
  }

  close(): void {
    fs.closeSync(this.fd);
    if (this.logFd !== undefined) fs.closeSync(this.logFd);
  }

  private readHeader(): void {
    const inLog = this.log?.pages.get(1);
    if (inLog !== undefined && this.logFd !== undefined) this.fill(this.logFd, this.header, inLog);
    else this.fill(this.fd, this.header, 0);
  }

  private headerFaults(isSize: boolean): string[] {
    if (this.header.toString("latin1", 0, MAGIC.length) !== MAGIC) return ["its header is damaged"];
    const isSound =
      isSize &&
      this.header[20] === 0 &&
      this.header[18] === this.header[19] &&
      [1, 2].includes(this.header[18] ?? 0) &&
      this.header.readUIntBE(21, 3) === 0x402020 &&
      // Of an empty database, format and encoding are not settled yet.
      [0, 4].includes(this.header.readUInt32BE(44)) &&
      this.header.readUInt32BE(52) === 0 &&
      [0, 1].includes(this.header.readUInt32BE(56)) &&
      this.header.readUInt32BE(24) === this.header.readUInt32BE(92);
    return isSound ? [] : ["its header is damaged"];
  }

  /** Every page must be there: in the file, or in the log. */
  private lengthFaults(inFile: number): string[] {
    for (let pageNo = this.pageCount; pageNo > inFile; pageNo--) {
      if (this.log?.pages.has(pageNo) === true) continue;
      const missing = this.pageCount * this.pageSize - this.fileBytes;
      return [`it was cut off: ${missing} of its ${this.pageCount * this.pageSize} bytes are missing`];
    }
    return [];
  }

  private fill(fd: number, into: Buffer, at: number): void {
    const got = fs.readSync(fd, into, 0, into.length, at);
    into.fill(0, got);
  }
}
