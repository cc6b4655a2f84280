import type Database from "better-sqlite3";
import type { Clock } from "../../queue/clock";
import { countReplayed, type Snapshot } from "../ledger/journal";
import { Appender } from "./appender";
import { lastSeqOf } from "./block";
import { Blocks, type BlockLimits } from "./blocks";
import type { Call, CallKind, Calls, WorkerSettings } from "./calls";
import { Changer } from "./changer";
import { DatabaseFile } from "./database-file";
import { DeadRows } from "./dead-rows";
import { isDiskFull } from "./disk-failures";
import { Endings } from "./endings";
import { IdWindow } from "./id-window";
import { LeaseMarks } from "./lease-marks";
import { MessageRows } from "./message-rows";
import { Reader } from "./reader";
import { RoomRows } from "./room-rows";
import { migrate } from "./schema";
import { StandingCalls } from "./standing-calls";
import { forgetUnusedQueues } from "./unused-queues";

/** What the tables need to know; the rest of the settings is about the file. */
export type FileSettings = Omit<WorkerSettings, "file"> & { readonly blockLimits?: BlockLimits };
type FileTime = Pick<Clock, "now" | "steady">;

/** The database file: opens it for this process alone, and commits calls, many at a time. */
export class SqliteFile {
  /** How long the last commit took, in milliseconds: mostly the disk. */
  lastCommitMs = 0;
  private readonly ids: IdWindow;
  private readonly marks: LeaseMarks;
  private readonly rooms: RoomRows;
  private readonly appender: Appender;
  private readonly blocks: Blocks;
  private readonly changer: Changer;
  private readonly reader: Reader;
  private readonly dead: DeadRows;
  private readonly endings: Endings;
  private readonly insertQueue: Database.Statement;
  private readonly moves: readonly Database.Statement[];
  private readonly moveExpiryOfBodies: Database.Statement;
  private readonly countChanges: Database.Statement;
  private readonly setCommits: Database.Statement;
  private readonly setOpen: Database.Statement;
  private commits: number;
  private queues: number;
  private readonly standing = new StandingCalls();

  /** @throws DamagedError when the file is not what was written; Error that says why else it cannot be used. */
  static open(settings: WorkerSettings, time: FileTime): SqliteFile {
    const file = DatabaseFile.open(settings.file);
    try {
      migrate(file.database);
      const opened = new SqliteFile(file.database, settings, time, file);
      opened.noteOpen();
      return opened;
    } catch (error) {
      throw file.abandon(error);
    }
  }

  /** Keeps its tables in a database that is open already, making or migrating them as needed. */
  static on(database: Database.Database, settings: FileSettings, time: FileTime): SqliteFile {
    migrate(database);
    return new SqliteFile(database, settings, time);
  }

  private constructor(
    private readonly database: Database.Database,
    private readonly settings: FileSettings,
    private readonly time: FileTime,
    /** Where the database is; undefined: nowhere but in memory. */
    readonly file?: DatabaseFile,
  ) {
    this.ids = new IdWindow(database, settings);
    this.marks = new LeaseMarks(database);
    this.rooms = new RoomRows(database, settings);
    const messages = new MessageRows(database);
    this.appender = new Appender(database, this.ids, this.marks, this.rooms, messages);
    this.blocks = new Blocks(database, this.ids, this.marks, messages, settings.blockLimits);
    this.endings = new Endings(database, settings.maxEndings);
    this.changer = new Changer(database, this.rooms, this.blocks, this.endings);
    this.reader = new Reader(database, this.marks, this.blocks);
    this.dead = new DeadRows(database, this.marks, this.endings);
    this.countChanges = database.prepare("SELECT total_changes()").pluck();
    this.setCommits = database.prepare("UPDATE meta SET value = ? WHERE key = 'commits'");
    this.setOpen = database.prepare("UPDATE meta SET value = ? WHERE key = 'open'");
    this.commits = Number(database.prepare("SELECT value FROM meta WHERE key = 'commits'").pluck().get());
    this.queues = Number(database.prepare("SELECT count(*) FROM queues").pluck().get());
    this.file?.sizeCache(this.queues);
    this.insertQueue = database.prepare("INSERT OR IGNORE INTO queues (no, address, creator) VALUES (?, ?, ?)");
    this.moves = [
      "UPDATE messages SET due_at = due_at + ? WHERE due_at IS NOT NULL AND due_fixed IS NULL",
      "UPDATE messages SET expires_at = expires_at + ? WHERE expires_at IS NOT NULL AND due_fixed IS NULL",
      "UPDATE bodies SET due_at = due_at + ? WHERE due_at IS NOT NULL AND due_fixed IS NULL",
    ].map((sql) => database.prepare(sql));
    // Nobody notes of a room's message that its time of day has come: from then on it lives for a while, as its copies do.
    this.moveExpiryOfBodies = database.prepare(
      "UPDATE bodies SET expires_at = expires_at + ? WHERE expires_at IS NOT NULL AND (due_fixed IS NULL OR due_at <= ?)",
    );
  }

  /** From now on the main file says of itself that it is nothing without its log. */
  private noteOpen(): void {
    this.setOpen.run(1);
    this.file?.shrinkLog();
  }

  /**
   * Carries out calls in one transaction: all of them, or none if one throws.
   *
   * @param withRoom whether the disk may have room for what was owed before, also where that takes much of it.
   */
  commit(calls: readonly Call[], withRoom = true): Calls[CallKind][1][] {
    let commits = this.commits;
    let results: Calls[CallKind][1][];
    const owed = this.standing.before(calls, withRoom);
    try {
      this.rotateIds();
      this.database.exec("BEGIN IMMEDIATE");
      const changesBefore = this.countChanges.get();
      for (const call of owed) this.carryOut(call);
      results = calls.map((call) => this.carryOut(call));
      this.ids.write();
      this.blocks.write();
      this.marks.write();
      this.endings.write();
      this.appender.writeLastSeq();
      // Calls that only read write nothing, and cost no sync.
      if (this.countChanges.get() !== changesBefore) this.setCommits.run(++commits);
      const writtenAt = this.time.steady();
      this.database.exec("COMMIT");
      this.lastCommitMs = this.time.steady() - writtenAt;
    } catch (error) {
      this.ids.forget();
      this.blocks.forget();
      this.marks.forget();
      this.endings.forget();
      this.standing.keep(calls);
      if (this.database.inTransaction) this.database.exec("ROLLBACK");
      throw error;
    }
    if (commits !== this.commits) this.file?.mark.note(commits);
    this.commits = commits;
    const carriedOut = [...owed, ...calls];
    this.standing.settle(carriedOut);
    const filed = carriedOut.filter(({ kind }) => kind === "queue").length;
    if (filed > 0) this.file?.sizeCache((this.queues += filed));
    this.ids.keep();
    this.blocks.keep();
    this.marks.keep();
    this.appender.keep();
    this.endings.keep();
    return results;
  }

  /** After a stop in order. */
  close(): void {
    if (this.file) this.file.close();
    else this.database.close();
  }

  /** After one that is not in the file: the next start takes it as after a crash. */
  leave(): void {
    if (this.file) this.file.leave();
    else this.database.close();
  }

  private carryOut(call: Call): Calls[CallKind][1] {
    switch (call.kind) {
      case "append":
        return this.appender.append(call.argument);
      case "appendBlocks":
        for (const block of call.argument.blocks) this.appender.sawSeq(lastSeqOf(block));
        return this.blocks.append(call.argument);
      case "firstSeqs":
        return call.argument.ids.map(({ queueNo, id }) => this.ids.find(queueNo, id));
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
        return this.endings.find(call.argument);
      case "move":
        this.move(call.argument);
        return null;
      case "deadLetters":
        return this.dead.list(call.argument);
      case "redrive":
        return this.dead.redrive(call.argument);
      case "purge":
        return this.dead.purge(call.argument);
      case "purgeOldest":
        return this.dead.purgeOldest(call.argument);
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
      case "queue": {
        const { no, address, creator } = call.argument;
        this.insertQueue.run(no, address, creator);
        return null;
      }
      case "reusable":
        return this.reusableBytes();
      case "probe":
        this.database.exec("UPDATE meta SET value = value + 1 WHERE key = 'probe'");
        return null;
      case "close":
        this.changer.setAttempts(call.argument.attempts);
        this.changer.noteGroupHolders(call.argument.groupHolders);
        this.marks.clear();
        this.blocks.settleResidents(this.appender.newestSeq);
        this.setOpen.run(0);
        return null;
    }
  }

  /** Where the disk has no room for that, it is for the next commit: acks are not to wait for it. */
  private rotateIds(): void {
    try {
      this.ids.rotate(this.time.now());
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
  }

  private move({ byMs, before }: Calls["move"][0]): void {
    for (const statement of this.moves) statement.run(byMs);
    this.moveExpiryOfBodies.run(byMs, before);
  }

  private reusableBytes(): number {
    const number = (pragma: string): number => Number(this.database.pragma(pragma, { simple: true }));
    return number("freelist_count") * number("page_size");
  }

  private load(): Snapshot {
    // What a crash left marked may have been out: its next attempt gets a number that was never given.
    this.blocks.countAttempts(this.marks.readAll());
    this.marks.countAttempts();
    this.blocks.settleResidents(this.appender.newestSeq);
    const alsoUsed = (): Iterable<number> => [...this.ids.queueNumbers(), ...this.blocks.queueNumbers()];
    this.queues -= forgetUnusedQueues(this.database, this.settings, alsoUsed);
    const snapshot = this.reader.snapshot();
    this.changer.forgetGroupHolders();
    return snapshot;
  }
}
