import fs from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import type { Clock } from "../../queue/clock";
import { countReplayed, type Snapshot } from "../ledger/journal";
import { Appender } from "./appender";
import type { Call, CallKind, Calls, WorkerSettings } from "./calls";
import { Changer } from "./changer";
import { DeadRows } from "./dead-rows";
import { Endings } from "./endings";
import { IdWindow } from "./id-window";
import { LeaseMarks } from "./lease-marks";
import { Reader } from "./reader";
import { RoomRows } from "./room-rows";
import { migrate } from "./schema";

/** Pages of the write-ahead log, 4 KiB each, after which they are copied to the main file. */
const CHECKPOINT_PAGES = 4_000;
const CACHE_KIB = 32_768;
/** Commits in which endings of one id are looked up, the newest first. */
const ENDINGS_FOUND = 20;

/** What the tables need to know; the rest of the settings is about the file. */
export type FileSettings = Omit<WorkerSettings, "file">;
type FileTime = Pick<Clock, "now" | "steady">;

/** The database file: opens it for this process alone, and commits calls, many at a time. */
export class SqliteFile {
  /** How long the last commit took, in milliseconds: mostly the disk. */
  lastCommitMs = 0;
  private readonly ids: IdWindow;
  private readonly marks: LeaseMarks;
  private readonly rooms: RoomRows;
  private readonly appender: Appender;
  private readonly changer: Changer;
  private readonly reader: Reader;
  private readonly dead: DeadRows;
  private readonly endings: Endings;
  private readonly insertQueue: Database.Statement;
  private readonly moves: readonly Database.Statement[];
  /** Queues that no commit has filed yet. */
  private unfiled: Calls["queue"][0][] = [];

  /** @throws Error that says why the file cannot be used. */
  static open(settings: WorkerSettings, time: FileTime): SqliteFile {
    let database: Database.Database | undefined;
    try {
      fs.mkdirSync(path.dirname(path.resolve(settings.file)), { recursive: true });
      database = new Database(settings.file, { timeout: 0 });
      lock(database);
      database.pragma("synchronous = FULL");
      database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
      database.pragma(`cache_size = -${CACHE_KIB}`);
      database.pragma("temp_store = MEMORY");
      return SqliteFile.on(database, settings, time);
    } catch (error) {
      database?.close();
      throw new Error(`${settings.file} cannot be used: ${whyUnusable(settings.file, error)}`, { cause: error });
    }
  }

  /** Keeps its tables in a database that is open already, making or migrating them as needed. */
  static on(database: Database.Database, settings: FileSettings, time: FileTime): SqliteFile {
    migrate(database);
    return new SqliteFile(database, settings, time);
  }

  private constructor(
    private readonly database: Database.Database,
    settings: FileSettings,
    private readonly time: FileTime,
  ) {
    this.ids = new IdWindow(database, settings);
    this.marks = new LeaseMarks(database);
    this.rooms = new RoomRows(database, settings);
    this.appender = new Appender(database, this.ids, this.marks, this.rooms);
    this.endings = new Endings(database, settings.maxEndings);
    this.changer = new Changer(database, this.rooms, this.endings);
    this.reader = new Reader(database, this.marks);
    this.dead = new DeadRows(database, this.marks, this.endings);
    this.insertQueue = database.prepare("INSERT OR IGNORE INTO queues (no, address, creator) VALUES (?, ?, ?)");
    this.moves = [
      "UPDATE messages SET due_at = due_at + ? WHERE due_at IS NOT NULL AND due_fixed IS NULL",
      "UPDATE messages SET expires_at = expires_at + ? WHERE expires_at IS NOT NULL AND due_fixed IS NULL",
      "UPDATE bodies SET due_at = due_at + ? WHERE due_at IS NOT NULL AND due_fixed IS NULL",
      "UPDATE bodies SET expires_at = expires_at + ? WHERE expires_at IS NOT NULL AND due_fixed IS NULL",
    ].map((sql) => database.prepare(sql));
  }

  /** Carries out calls in one transaction: all of them, or none if one throws. */
  commit(calls: readonly Call[]): Calls[CallKind][1][] {
    for (const call of calls) if (call.kind === "queue") this.unfiled.push(call.argument);
    const now = this.time.now();
    this.ids.rotate(now);
    this.database.exec("BEGIN IMMEDIATE");
    let results: Calls[CallKind][1][];
    try {
      for (const { no, address, creator } of this.unfiled) this.insertQueue.run(no, address, creator);
      results = calls.map((call) => this.carryOut(call));
      this.marks.write();
      this.endings.write();
      this.appender.writeLastSeq();
      const writtenAt = this.time.steady();
      this.database.exec("COMMIT");
      this.lastCommitMs = this.time.steady() - writtenAt;
    } catch (error) {
      this.marks.forget();
      this.endings.forget();
      if (this.database.inTransaction) this.database.exec("ROLLBACK");
      throw error;
    }
    this.unfiled = [];
    this.marks.keep();
    this.appender.keep();
    this.endings.keep();
    this.appender.keep();
    return results;
  }

  close(): void {
    this.database.close();
  }

  private carryOut(call: Call): Calls[CallKind][1] {
    switch (call.kind) {
      case "append":
        return this.appender.append(call.argument);
      case "change":
        this.changer.change(call.argument);
        return null;
      case "page":
        return this.reader.page(call.argument);
      case "due":
        return this.reader.due(call.argument);
      case "expired":
        return this.reader.expired(call.argument);
      case "fetch":
        return this.reader.fetch(call.argument);
      case "find":
        return this.reader.find(call.argument);
      case "endings":
        return this.endings.find(call.argument.id, call.argument.queueNo, ENDINGS_FOUND);
      case "move":
        for (const move of this.moves) move.run(call.argument.byMs);
        return null;
      case "deadLetters":
        return this.dead.list(call.argument);
      case "redrive":
        return this.dead.redrive(call.argument);
      case "purge":
        return this.dead.purge(call.argument);
      case "join": {
        const joined = this.rooms.join(call.argument);
        this.appender.sawSeq(call.argument.firstSeq + countReplayed(joined));
        return joined;
      }
      case "leave":
        this.rooms.leave(call.argument);
        return null;
      case "load":
        return this.load();
      case "queue":
        return null;
      case "probe":
        this.database.exec("UPDATE meta SET value = value + 1 WHERE key = 'probe'");
        return null;
      case "close":
        this.changer.setAttempts(call.argument.attempts);
        this.marks.clear();
        return null;
    }
  }

  private load(): Snapshot {
    // What a crash left marked may have been out: its next attempt gets a number that was never given.
    this.marks.countAttempts();
    return this.reader.snapshot();
  }
}

/** Takes the file for this process until it ends, however it ends. */
function lock(database: Database.Database): void {
  database.pragma("locking_mode = EXCLUSIVE");
  database.pragma("journal_mode = WAL");
  database.exec("BEGIN EXCLUSIVE; COMMIT");
}

function whyUnusable(file: string, error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (code.startsWith("SQLITE_BUSY")) return "another hub has it open";
  // SQLite says "disk I/O error" and "unable to open" for what mostly is a matter of permissions.
  if (fs.existsSync(file) && fs.statSync(file).isDirectory()) return "it is a folder";
  if (["EACCES", "EPERM", "EROFS"].includes(code) || !isWritable(file))
    return "this user may not write it, or its folder";
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
