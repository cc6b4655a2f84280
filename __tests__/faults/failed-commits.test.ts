/** A disk that does not take a commit: what the file says afterwards, to the hub and to the next start. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import Database from "better-sqlite3";
import { systemClock } from "../../src/queue/clock";
import type { Answer, Call } from "../../src/stores/sqlite/calls";
import { CommitMark, markOf } from "../../src/stores/sqlite/commit-mark";
import { Committer } from "../../src/stores/sqlite/committer";
import { examine } from "../../src/stores/sqlite/examination";
import { RowGatherer } from "../../src/stores/sqlite/gatherers";
import { SqliteFile } from "../../src/stores/sqlite/sqlite-file";
import { SUITE_SETTINGS, queue } from "../conformance/store-in-suite";
import { rowsOf } from "../stores/append-rows";

const FILED: Call = { kind: "queue", argument: { no: 1, address: queue, creator: "acme" } };
const LOAD: Call = { kind: "load", argument: null };
const CLOSE: Call = { kind: "close", argument: { attempts: [], groupHolders: [] } };
const PAGE_BYTES = 4096;
const WHOLE = { faults: [], isComplete: true };

let folder = "";
let file = "";
let sqlite: SqliteFile;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-commits-"));
  file = path.join(folder, "waybill.db");
  sqlite = SqliteFile.open({ ...SUITE_SETTINGS, file }, systemClock);
});

afterEach(() => {
  if (database().open) sqlite.leave();
  fs.rmSync(folder, { recursive: true, force: true });
});

function database(): Database.Database {
  if (sqlite.file === undefined) throw new Error("it has a file");
  return sqlite.file.database;
}

/** From now on no commit succeeds, for this reason. @param isWritten whether it is in the log all the same. */
function failCommits(code: string, isWritten = false): void {
  const exec = Database.prototype.exec;
  jest.spyOn(database(), "exec").mockImplementation(function (this: Database.Database, sql: string) {
    if (sql === "COMMIT" && isWritten) exec.call(this, sql);
    if (sql === "COMMIT") throw new Database.SqliteError("the disk did not take it", code);
    return exec.call(this, sql);
  });
}

function commit(...calls: Call[]): Answer {
  return new Committer(sqlite, () => undefined).commit(calls).answer;
}

function append(from: number, count: number): Call {
  const gatherer = new RowGatherer();
  for (const row of rowsOf(from, count, () => ({ queueNo: 1 }))) gatherer.add(row);
  return gatherer.makeCall();
}

function storedMessages(): unknown {
  return database().prepare("SELECT count(*) FROM messages").pluck().get();
}

describe("a full disk on which the ids of the dedup window take their turn", () => {
  let time = Date.now();

  /** Opens the file anew, by a clock of the test's. */
  function openAt(): void {
    sqlite.leave();
    sqlite = SqliteFile.open({ ...SUITE_SETTINGS, file }, { now: () => time, steady: () => systemClock.steady() });
    commit(LOAD);
  }

  /** As long as it is full: what turns the ids is a transaction of its own. */
  function fill(): jest.SpyInstance {
    return jest.spyOn(database(), "transaction").mockImplementation(() => {
      throw new Database.SqliteError("database or disk is full", "SQLITE_FULL");
    });
  }

  test("takes acks all the same, and turns them when there is room", () => {
    commit(LOAD, FILED, append(1, 3));
    openAt();
    const full = fill();
    time += SUITE_SETTINGS.dedupWindowMs;
    expect(commit(append(4, 1))).toEqual({ results: [[]] });
    expect(full).toHaveBeenCalledTimes(1);
    full.mockRestore();
    const young = () => database().prepare("SELECT value FROM meta WHERE key = 'ids_young'").pluck().get();
    const before = young();
    commit(append(5, 1));
    expect(young()).not.toBe(before);
  });

  test("forgets no queue whose commit fails as that does", () => {
    commit(LOAD, FILED, append(1, 1));
    openAt();
    const failing = jest.spyOn(database(), "transaction").mockImplementation(() => {
      throw new Database.SqliteError("disk I/O error", "SQLITE_IOERR_WRITE");
    });
    time += SUITE_SETTINGS.dedupWindowMs;
    const second: Call = { kind: "queue", argument: { no: 2, address: `${queue}-2`, creator: "acme" } };
    expect(commit(second)).toMatchObject({ failed: "disk I/O error (SQLITE_IOERR_WRITE)" });
    failing.mockRestore();
    commit(append(2, 1));
    expect(database().prepare("SELECT count(*) FROM queues").pluck().get()).toBe(2);
  });
});

describe("a stop of which the last commit fails", () => {
  test.each(["SQLITE_FULL", "SQLITE_IOERR_WRITE"])(
    "by %s leaves a file that the next start takes as after a crash",
    (code) => {
      commit(LOAD, FILED, append(1, 3));
      failCommits(code);
      expect(commit(CLOSE)).toMatchObject({ failed: `the disk did not take it (${code})` });
      expect(database().open).toBe(false);

      // SQLite has copied the log to the file, and removed it.
      expect(fs.existsSync(`${file}-wal`)).toBe(false);
      expect(examine(file)).toEqual(WHOLE);
      sqlite = SqliteFile.open({ ...SUITE_SETTINGS, file }, systemClock);
      expect(commit(LOAD)).toMatchObject({ results: [{ lastSeq: 3 }] });
      expect(storedMessages()).toBe(3);
    },
  );

  test("before any other leaves such a file as well", () => {
    failCommits("SQLITE_FULL");
    commit(CLOSE);
    expect(examine(file)).toEqual(WHOLE);
  });

  test("still misses commits that are confirmed and not there", () => {
    const older = path.join(folder, "older.db");
    commit(LOAD, FILED);
    failCommits("SQLITE_FULL");
    commit(CLOSE);
    fs.copyFileSync(file, older);
    sqlite = SqliteFile.open({ ...SUITE_SETTINGS, file }, systemClock);
    commit(append(1, 1));
    failCommits("SQLITE_FULL");
    commit(CLOSE);
    fs.copyFileSync(older, file);
    expect(examine(file).faults).toEqual([expect.stringMatching(/^1 of its confirmed commits are missing/)]);
  });
});

test("the mark beside a file has its room before the disk may be full, and says nothing until there is something to say", () => {
  expect(fs.statSync(markOf(file)).size).toBeGreaterThan(0);
  expect(CommitMark.read(file)).toBeUndefined();
});

describe("a commit of which the sync fails", () => {
  test.each([
    ["is in the file", true, 5],
    ["is not", false, 3],
  ])(
    "is the store's last: the next start finds whether it %s, and all that was confirmed",
    (_where, isWritten, stored) => {
      commit(LOAD, FILED, append(1, 3));
      failCommits("SQLITE_IOERR_FSYNC", isWritten);
      expect(commit(append(4, 2))).toEqual({ lost: expect.stringContaining("did not confirm a commit") as string });
      expect(database().open).toBe(false);

      expect(examine(file)).toEqual(WHOLE);
      sqlite = SqliteFile.open({ ...SUITE_SETTINGS, file }, systemClock);
      expect(storedMessages()).toBe(stored);
    },
  );
});

test("what a power cut left of a commit does not make what the next one leaves look like damage", () => {
  const [first, second] = [path.join(folder, "first.db"), path.join(folder, "second.db")];
  commit(LOAD, FILED, append(1, 3));
  const before = logOf(file);
  commit(append(4, 200));
  // The first page of the commit did not get to the disk, all others did.
  copyAsCrashed(first);
  damage(`${first}-wal`, written(before, logOf(file)).from + PAGE_BYTES / 2);
  new CommitMark(first).keep(1);
  const left = logOf(first);

  sqlite.leave();
  file = first;
  sqlite = SqliteFile.open({ ...SUITE_SETTINGS, file }, systemClock);
  expect(storedMessages()).toBe(3);
  // Nor did the last one that this start wrote.
  copyAsCrashed(second);
  damage(`${second}-wal`, written(left, logOf(first)).to);
  expect(examine(second)).toEqual(WHOLE);
});

function logOf(name: string): Buffer {
  return fs.readFileSync(`${name}-wal`);
}

function copyAsCrashed(to: string): void {
  for (const part of ["", "-wal", "-mark"]) fs.copyFileSync(file + part, to + part);
}

function damage(name: string, at: number): void {
  const bytes = fs.readFileSync(name);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  fs.writeFileSync(name, bytes);
}

/** The first and the last byte that were written to a log. */
function written(before: Buffer, after: Buffer): { readonly from: number; readonly to: number } {
  const changed = [...after.keys()].filter((at) => before[at] !== after[at]);
  return { from: changed[0] ?? NaN, to: changed[changed.length - 1] ?? NaN };
}
