import Database from "better-sqlite3";
import { Committer } from "../../../src/stores/sqlite/committer";
import type { Post } from "../../../src/stores/sqlite/calls";
import { SqliteFile, type FileSettings } from "../../../src/stores/sqlite/sqlite-file";
import type { StorageWorker, WorkerListener } from "../../../src/stores/sqlite/storage-thread";
import type { Random } from "../random";
import type { SimClock } from "./sim-clock";

/** Small, so that the images of a run are. */
const PAGE_BYTES = 1024;
const NO_LIMIT_PAGES = 2 ** 30;
/** Of commits that fail, those that were written and not synced. */
const FAILED_SYNC_SHARE = 0.1;

/** How a disk behaves now; faults change it. */
export interface DiskMood {
  /** Milliseconds that an fsync takes, on average. */
  fsyncMs: number;
  /** How many commits of a hundred fail, most of them as they are written, the others as they are synced. */
  failPercent: number;
  /** Nothing more fits. */
  full: boolean;
}

/** A disk that loses, at a power cut, what was not synced. Its one file is an SQLite database. */
export class SimDisk {
  readonly mood: DiskMood = { fsyncMs: 1, failPercent: 0, full: false };
  /** When the power is going to fail: until then only the last image has to be kept. */
  failsAt = Infinity;
  /** Called as a commit begins, which a crash may hit before its end. */
  onCommit: (fsyncMs: number) => void = () => {};
  /** Called when a sync has failed, before the hub hears of it. */
  onFailedSync: () => void = () => {};
  private image: Buffer;

  constructor(
    readonly clock: SimClock,
    readonly random: Random,
    readonly settings: FileSettings,
  ) {
    this.image = emptyImage();
  }

  /** Opens the file for a hub's process. */
  open(): SimWorker {
    return new SimWorker(this, new FaultyDatabase(this.image, this));
  }

  keep(image: Buffer): void {
    this.image = image;
  }
}

/** Opened anew for each process and each crash, so it is made only once. */
let empty: Buffer | undefined;

function emptyImage(): Buffer {
  if (empty !== undefined) return empty;
  const database = new Database(":memory:");
  database.pragma(`page_size = ${PAGE_BYTES}`);
  const time = { now: () => 0, steady: () => 0 };
  const settings = {
    dedupWindowMs: 1,
    dedupMaxIds: 1,
    historyMessages: 1,
    historyMs: 1,
    maxEndings: 1,
    maxQueues: 1,
    maxQueuesPerClient: 1,
  };
  SqliteFile.on(database, settings, time);
  empty = database.serialize();
  database.close();
  return empty;
}

/** The database with the disk's faults, which come up where SQLite would raise them. */
class FaultyDatabase extends Database {
  /** How it stood as it was closed. */
  closedImage: Buffer | undefined;
  private isFull = false;

  constructor(
    image: Buffer,
    private readonly disk: SimDisk,
  ) {
    super(image);
  }

  override exec(sql: string): this {
    if (sql.startsWith("BEGIN")) {
      this.limitPages(this.disk.mood.full);
    }
    return sql === "COMMIT" ? this.commit() : super.exec(sql);
  }

  private commit(): this {
    const { random, mood } = this.disk;
    const failShare = mood.failPercent / 100;
    const drawn = random.next();
    if (drawn >= failShare) return super.exec("COMMIT");
    if (drawn >= failShare * FAILED_SYNC_SHARE) throw new Database.SqliteError("disk I/O error", "SQLITE_IOERR_WRITE");
    // The disk has it or not.
    if (random.chance(0.5)) super.exec("COMMIT");
    throw new Database.SqliteError("disk I/O error", "SQLITE_IOERR_FSYNC");
  }

  private limitPages(isFull: boolean): void {
    if (isFull === this.isFull) return;
    this.isFull = isFull;
    const pages = isFull ? Number(this.pragma("page_count", { simple: true })) : NO_LIMIT_PAGES;
    this.pragma(`max_page_count = ${pages}`);
  }

  override close(): this {
    this.closedImage = this.serialize();
    return super.close();
  }
}

/** The storage worker of one hub's process: the worker's own code, on simulated time. */
export class SimWorker implements StorageWorker {
  private readonly committer: Committer;
  private readonly waiting: Post[] = [];
  private listener: WorkerListener | undefined;
  /** The commit that waits for the disk: how the file stood before it. Undefined: all is synced. */
  private unsynced: { readonly before: Buffer | undefined } | undefined;
  private fsyncMs = 0;
  private elapsedMs = 0;
  private lastPostAt = 0;
  private lost = false;
  private ended = false;

  constructor(
    private readonly disk: SimDisk,
    private readonly database: FaultyDatabase,
  ) {
    const { now } = disk.clock.process(() => true);
    const time = { now, steady: () => this.elapsedMs++ * this.fsyncMs };
    const file = SqliteFile.on(database, disk.settings, time);
    this.committer = new Committer(file, () => this.waiting.shift());
  }

  /** Whether it has closed the file, after which it is on the disk. */
  get hasClosed(): boolean {
    return this.ended;
  }

  attach(listener: WorkerListener): void {
    this.listener = listener;
  }

  post(calls: Post): void {
    const { clock, random } = this.disk;
    this.lastPostAt = Math.max(this.lastPostAt, clock.steadyMs + random.between(0.01, 0.1));
    clock.at(this.lastPostAt, () => {
      this.waiting.push(calls);
      this.work();
    });
  }

  /** The thread dies: what it was at may be done or not, and nobody is told. */
  lose(error: Error): void {
    this.lost = true;
    this.listener?.broke(error);
    this.listener?.ended();
  }

  /** The process is gone, or the power: of a commit that was under way, the disk has it or not. */
  crash(): { readonly dropped: boolean } | undefined {
    const { unsynced, database } = this;
    this.lost = true;
    if (database.open) database.close();
    const before = this.disk.random.chance(0.5) ? unsynced?.before : undefined;
    const left = before ?? database.closedImage;
    if (left !== undefined) this.disk.keep(left);
    return unsynced && { dropped: before !== undefined };
  }

  private work(): void {
    if (this.unsynced !== undefined || this.lost || this.ended) return;
    const post = this.waiting.shift();
    if (post === undefined) return;
    const { disk } = this;
    this.fsyncMs = disk.mood.fsyncMs * disk.random.between(0.3, 3);
    disk.onCommit(this.fsyncMs);
    const mayCrash = disk.failsAt <= disk.clock.steadyMs + this.fsyncMs;
    this.unsynced = { before: mayCrash ? this.database.serialize() : undefined };
    const { answer, closed } = this.committer.commit(post);
    disk.clock.after(this.fsyncMs, () => {
      if (this.lost) return;
      this.unsynced = undefined;
      if ("lost" in answer) disk.onFailedSync();
      this.listener?.answered(answer);
      if (closed) this.end();
      else this.work();
    });
  }

  private end(): void {
    const { closedImage } = this.database;
    this.ended = true;
    if (closedImage !== undefined) this.disk.keep(closedImage);
    this.listener?.ended();
  }
}
