import Database from "better-sqlite3";
import type { Clock } from "../../src/queue/clock";
import { LedgerStore } from "../../src/stores/ledger/ledger-store";
import type { StoreSettings } from "../../src/stores/open-store";
import type { BlockLimits } from "../../src/stores/sqlite/blocks";
import type { Post } from "../../src/stores/sqlite/calls";
import { Committer } from "../../src/stores/sqlite/committer";
import { SqliteFile, type FileSettings } from "../../src/stores/sqlite/sqlite-file";
import { SqliteJournal } from "../../src/stores/sqlite/sqlite-journal";
import type { StorageWorker, WorkerListener } from "../../src/stores/sqlite/storage-thread";
import type { End, StoreUnderTest } from "./store-in-suite";

/**
 * SQLite with its worker on the test's own thread and its file in memory: all but the thread is the real thing, a
 * restart takes a millisecond, and the same calls take the same course every time. A crash is the image of the file
 * after the last commit.
 */
export class SqliteInProcess implements StoreUnderTest {
  private worker: WorkerInProcess | undefined;
  private store: LedgerStore | undefined;
  private settings: StoreSettings | undefined;
  private clock: Clock | undefined;

  /** Whether the store may be lost: the test damages its file. */
  mayBeLost = false;
  private latestTime = 0;

  /**
   * @param leastInBlock messages of one turn that are stored in a block, at the least; left out: as many as usual.
   * @param blockLimits left out: the usual ones.
   */
  constructor(
    private readonly leastInBlock?: number,
    private readonly blockLimits?: BlockLimits,
  ) {}

  /** Whether its disk takes no writes just now. */
  get failing(): boolean {
    return this.worker?.database.failing ?? false;
  }

  set failing(failing: boolean) {
    if (this.worker) this.worker.database.failing = failing;
  }

  open(settings: StoreSettings, clock: Clock): Promise<LedgerStore> {
    this.settings = settings;
    this.clock = clock;
    this.latestTime = 0;
    return this.openImage(undefined);
  }

  async reopen(how: End, settings?: StoreSettings): Promise<LedgerStore> {
    this.settings = settings ?? this.settings;
    const crashed = this.image;
    await this.store?.close();
    return this.openImage(how === "crashed" ? crashed : this.image);
  }

  async cleanUp(): Promise<void> {
    await this.store?.close();
  }

  /** The file as it stands. */
  get image(): Buffer {
    if (this.worker === undefined) throw new Error("open comes first");
    return this.worker.image;
  }

  /** The time as the thread has it: it does not hear of a step back. */
  private latest(): number {
    return (this.latestTime = Math.max(this.latestTime, this.clock?.now() ?? 0));
  }

  /** Opens the store on an image of its file. */
  async openImage(image: Buffer | undefined): Promise<LedgerStore> {
    const { settings, clock } = this;
    if (settings === undefined || clock === undefined) throw new Error("open comes first");
    const fileSettings = { ...settings, blockLimits: this.blockLimits };
    this.worker = new WorkerInProcess(image, fileSettings, { now: () => this.latest(), steady: () => clock.steady() });
    const lost = (error: Error): void => {
      if (!this.mayBeLost) throw error;
    };
    const { laneWindow = Infinity } = settings;
    const journal = new SqliteJournal(this.worker, clock, lost, undefined, this.leastInBlock);
    this.store = await LedgerStore.open(journal, { ...settings, laneWindow }, clock);
    return this.store;
  }
}

/** Takes posts as the thread does, one turn of the event loop later. */
class WorkerInProcess implements StorageWorker {
  readonly database: KeptDatabase;
  private readonly committer: Committer;
  private readonly posts: Post[] = [];
  private listener: WorkerListener | undefined;

  constructor(image: Buffer | undefined, settings: FileSettings, clock: Pick<Clock, "now" | "steady">) {
    this.database = new KeptDatabase(image ?? ":memory:");
    this.committer = new Committer(SqliteFile.on(this.database, settings, clock), () => this.posts.shift());
  }

  get image(): Buffer {
    return this.database.lastImage ?? this.database.serialize();
  }

  attach(listener: WorkerListener): void {
    this.listener = listener;
  }

  post(calls: Post): void {
    this.posts.push(calls);
    setImmediate(() => this.work());
  }

  private work(): void {
    const post = this.posts.shift();
    if (post === undefined) return;
    const { answer, closed } = this.committer.commit(post);
    this.listener?.answered(answer);
    if (closed) this.listener?.ended();
  }
}

/** Still says what was in it once it is closed, and refuses to commit while the test says so. */
class KeptDatabase extends Database {
  lastImage: Buffer | undefined;
  failing = false;

  override exec(sql: string): this {
    if (this.failing && sql === "COMMIT") throw new Error("the disk is on fire");
    return super.exec(sql);
  }

  override close(): this {
    this.lastImage = this.serialize();
    return super.close();
  }
}
