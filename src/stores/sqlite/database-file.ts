import fs from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import { CommitMark } from "./commit-mark";
import { DamagedError, isCorrupt } from "./damage";
import { examine } from "./examination";

/** Pages of the write-ahead log, 4 KiB each, after which they are copied to the main file. */
const CHECKPOINT_PAGES = 4_000;
/**
 * KiB of pages kept in memory: a page of two indexes for each queue or inbox, which a message to it touches. What does not
 * fit is written out and read back within a commit. No more than that, since SQLite looks through all of it at the end of
 * most commits: a page number that it borrows to put pages in order, the one of the lock at 1 GiB, has to go again.
 */
const CACHE_KIB = { least: 8_192, perQueue: 8, most: 65_536 };

/** A database file that this process has for itself. */
export class DatabaseFile {
  /** Of who reads the main file, and counts on its being still. */
  private disturbed: (() => void) | undefined;

  private constructor(
    readonly name: string,
    readonly database: Database.Database,
    readonly mark: CommitMark,
    /** Whether all of it was found whole; a large file is still to be checked. */
    readonly isChecked: boolean,
    /** Of the file itself, for reading past SQLite. Closing it would end SQLite's lock, so it is left to the thread's end. */
    readonly fd: number,
  ) {}

  /**
   * Opens a file, or makes it.
   *
   * @throws DamagedError when it is not what was written; Error that says why else it cannot be used.
   */
  static open(file: string): DatabaseFile {
    let database: Database.Database | undefined;
    try {
      fs.mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
      const { faults, isComplete } = examine(file);
      if (faults.length > 0 && !isInUse(file)) throw new DamagedError(damageText(file, faults));
      database = new Database(file, { timeout: 0 });
      lock(database);
      database.pragma("synchronous = FULL");
      database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
      database.pragma("temp_store = MEMORY");
      // What a crash left is taken in before anything is written: the log begins anew then, and no rest of an unfinished
      // commit follows what is.
      copyLog(database);
      return new DatabaseFile(file, database, new CommitMark(file), isComplete, fs.openSync(file, "r"));
    } catch (error) {
      database?.close();
      throw unusable(file, error);
    }
  }

  /** Keeps as much of it in memory as so many queues and inboxes want. */
  sizeCache(queues: number): void {
    const { least, perQueue, most } = CACHE_KIB;
    this.database.pragma(`cache_size = -${Math.min(least + queues * perQueue, most)}`);
  }

  /**
   * Brings the main file up to date and leaves it so, while commits go to the log alone: so it can be read by its pages.
   *
   * @param disturbed called when it is about to change all the same, after which it is not held any more.
   * @returns ends that; undefined: not now.
   */
  holdStill(disturbed: () => void): (() => void) | undefined {
    this.copyLogAfter(0);
    if (!copyLog(this.database)) {
      this.copyLogAfter(CHECKPOINT_PAGES);
      return undefined;
    }
    this.disturbed = disturbed;
    return () => this.letGo();
  }

  /**
   * Copies the log to the main file, so that it can be written from its start again: a full disk may have room for that.
   * It does not wait for who reads the main file, since acks wait for it.
   */
  shrinkLog(): void {
    this.disturbed?.();
    this.letGo();
    copyLog(this.database);
  }

  private letGo(): void {
    this.disturbed = undefined;
    this.copyLogAfter(CHECKPOINT_PAGES);
  }

  /** @param pages of the log, after which a commit copies it; 0: none does. */
  private copyLogAfter(pages: number): void {
    if (this.database.open) this.database.pragma(`wal_autocheckpoint = ${pages}`);
  }

  /** After a stop in order, which is in the file. */
  close(): void {
    this.database.close();
    this.mark.remove();
  }

  /**
   * Closes it with no stop in order in it, so that the next start takes it as after a crash. Unlike a crash, SQLite copies
   * the log to the file where it can, and removes it: that none is missing is then for the mark to say.
   */
  leave(): void {
    const commits = this.countCommits();
    if (commits !== undefined) this.mark.keep(commits);
    this.database.close();
  }

  /** Leaves it. @returns the error that says why it cannot be used. */
  abandon(error: unknown): Error {
    this.leave();
    return unusable(this.name, error);
  }

  /** @returns undefined when it does not say. */
  private countCommits(): number | undefined {
    try {
      const commits = this.database.prepare("SELECT value FROM meta WHERE key = 'commits'").pluck().get();
      return typeof commits === "number" ? commits : undefined;
    } catch {
      return undefined;
    }
  }
}

function unusable(file: string, error: unknown): Error {
  if (error instanceof DamagedError) return error;
  if (isCorrupt(error)) return new DamagedError(damageText(file, [error.message]), { cause: error });
  return new Error(`${file} cannot be used: ${whyUnusable(file, error)}`, { cause: error });
}

/** What was found, and the way out: nobody reading it in a log should have to look anything up. */
export function damageText(file: string, faults: readonly string[]): string {
  const [first = "", ...others] = faults;
  const more = others.length > 0 ? ` (and ${others.length} more)` : "";
  return `${file} is damaged: ${first}${more}. A restart does not help. Save what can be read with: waybill salvage ${file} <new file>`;
}

/**
 * Copies the log to the main file, and syncs that.
 *
 * @returns whether all of it is there now; what has no room stays where it is.
 */
function copyLog(database: Database.Database): boolean {
  try {
    const [copied] = database.pragma("wal_checkpoint(PASSIVE)") as { log: number; checkpointed: number }[];
    return copied !== undefined && copied.log === copied.checkpointed;
  } catch {
    return false;
  }
}

/** Takes the file for this process until it ends, however it ends. */
function lock(database: Database.Database): void {
  database.pragma("locking_mode = EXCLUSIVE");
  database.pragma("journal_mode = WAL");
  database.exec("BEGIN EXCLUSIVE; COMMIT");
}

/** Whether another process has it: what was read of it while that writes is no damage. */
export function isInUse(file: string): boolean {
  const hadIndex = fs.existsSync(`${file}-shm`);
  const hadLog = fs.existsSync(`${file}-wal`);
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { readonly: true, timeout: 0 });
    database.prepare("SELECT count(*) FROM sqlite_master").get();
    // Made by the look at it alone. Before the end of that: nobody else can have begun to use it until then.
    if (!hadLog) fs.rmSync(`${file}-wal`, { force: true });
    return false;
  } catch (error) {
    return isBusy(error);
  } finally {
    database?.close();
    if (!hadIndex) fs.rmSync(`${file}-shm`, { force: true });
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_BUSY");
}

function whyUnusable(file: string, error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (isBusy(error)) return "another hub has it open";
  // SQLite says "disk I/O error" and "unable to open" for what mostly is a matter of permissions.
  if (fs.existsSync(file) && fs.statSync(file).isDirectory()) return "it is a folder";
  if (["EACCES", "EPERM", "EROFS"].includes(code) || !isWritable(file))
    return "this user may not write it, or its folder";
  if (code === "SQLITE_NOTADB") {
    return `file is not a database; if it was, see what is left of it with: waybill salvage ${file} <new file>`;
  }
  return error.message;
}

/** Whether this user may write a file and its folder, where SQLite keeps its log. */
function isWritable(file: string): boolean {
  try {
    fs.accessSync(path.dirname(path.resolve(file)), fs.constants.W_OK);
    if (fs.existsSync(file)) fs.accessSync(file, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
