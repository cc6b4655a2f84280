/** A disk that does not take a commit: what the file says afterwards, to the hub and to the next start. */
import fs from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import { systemClock } from "../../src/queue/clock";
import type { Call } from "../../src/stores/sqlite/calls";
import { CommitMark, markOf } from "../../src/stores/sqlite/commit-mark";
import { examine } from "../../src/stores/sqlite/examination";
import { SUITE_SETTINGS, queue } from "../conformance/store-in-suite";
import { append, FILED, FileUnderTest, LOAD, PAGE_BYTES } from "../stores/file-under-test";

const CLOSE: Call = { kind: "close", argument: { attempts: [], groupHolders: [] } };
const WHOLE = { faults: [], isComplete: true };

let subject: FileUnderTest;

beforeEach(() => {
  subject = new FileUnderTest();
});

afterEach(() => subject.remove());

/** From now on no commit succeeds, for this reason. @param isWritten whether it is in the log all the same. */
function failCommits(code: string, isWritten = false): void {
  const exec = Database.prototype.exec;
  jest.spyOn(subject.database, "exec").mockImplementation(function (this: Database.Database, sql: string) {
    if (sql === "COMMIT" && isWritten) exec.call(this, sql);
    if (sql === "COMMIT") throw new Database.SqliteError("the disk did not take it", code);
    return exec.call(this, sql);
  });
}

function storedMessages(): unknown {
  return subject.database.prepare("SELECT count(*) FROM messages").pluck().get();
}

describe("a full disk on which the ids of the dedup window take their turn", () => {
  let time = Date.now();

  /** Opens the file anew, by a clock of the test's. */
  function openAt(): void {
    subject.sqlite.leave();
    subject.open({ now: () => time, steady: () => systemClock.steady() });
    subject.commit(LOAD);
  }

  /** As long as it is full: what turns the ids is a transaction of its own. */
  function fill(): jest.SpyInstance {
    return jest.spyOn(subject.database, "transaction").mockImplementation(() => {
      throw new Database.SqliteError("database or disk is full", "SQLITE_FULL");
    });
  }

  test("takes acks all the same, and turns them when there is room", () => {
    subject.commit(LOAD, FILED, append(1, 3));
    openAt();
    const full = fill();
    time += SUITE_SETTINGS.dedupWindowMs;
    expect(subject.commit(append(4, 1))).toEqual({ results: [[]] });
    expect(full).toHaveBeenCalledTimes(1);
    full.mockRestore();
    const young = () => subject.database.prepare("SELECT value FROM meta WHERE key = 'ids_young'").pluck().get();
    const before = young();
    subject.commit(append(5, 1));
    expect(young()).not.toBe(before);
  });

  test("forgets no queue whose commit fails as that does", () => {
    subject.commit(LOAD, FILED, append(1, 1));
    openAt();
    const failing = jest.spyOn(subject.database, "transaction").mockImplementation(() => {
      throw new Database.SqliteError("disk I/O error", "SQLITE_IOERR_WRITE");
    });
    time += SUITE_SETTINGS.dedupWindowMs;
    const second: Call = { kind: "queue", argument: { no: 2, address: `${queue}-2`, creator: "acme" } };
    expect(subject.commit(second)).toMatchObject({ failed: "disk I/O error (SQLITE_IOERR_WRITE)" });
    failing.mockRestore();
    subject.commit(append(2, 1));
    expect(subject.database.prepare("SELECT count(*) FROM queues").pluck().get()).toBe(2);
  });
});

describe("a stop of which the last commit fails", () => {
  test.each(["SQLITE_FULL", "SQLITE_IOERR_WRITE"])(
    "by %s leaves a file that the next start takes as after a crash",
    (code) => {
      subject.commit(LOAD, FILED, append(1, 3));
      failCommits(code);
      expect(subject.commit(CLOSE)).toMatchObject({ failed: `the disk did not take it (${code})` });
      expect(subject.database.open).toBe(false);

      // SQLite has copied the log to the file, and removed it.
      expect(fs.existsSync(`${subject.name}-wal`)).toBe(false);
      expect(examine(subject.name)).toEqual(WHOLE);
      subject.open();
      expect(subject.commit(LOAD)).toMatchObject({ results: [{ lastSeq: 3 }] });
      expect(storedMessages()).toBe(3);
    },
  );

  test("before any other leaves such a file as well", () => {
    failCommits("SQLITE_FULL");
    subject.commit(CLOSE);
    expect(examine(subject.name)).toEqual(WHOLE);
  });

  test("still misses commits that are confirmed and not there", () => {
    const older = path.join(subject.folder, "older.db");
    subject.commit(LOAD, FILED);
    failCommits("SQLITE_FULL");
    subject.commit(CLOSE);
    fs.copyFileSync(subject.name, older);
    subject.open();
    subject.commit(append(1, 1));
    failCommits("SQLITE_FULL");
    subject.commit(CLOSE);
    fs.copyFileSync(older, subject.name);
    expect(examine(subject.name).faults).toEqual([expect.stringMatching(/^1 of its confirmed commits are missing/)]);
  });
});

test("the mark beside a file has its room before the disk may be full, and says nothing until there is something to say", () => {
  expect(fs.statSync(markOf(subject.name)).size).toBeGreaterThan(0);
  expect(CommitMark.read(subject.name)).toBeUndefined();
});

describe("a commit of which the sync fails", () => {
  test.each([
    ["is in the file", true, 5],
    ["is not", false, 3],
  ])(
    "is the store's last: the next start finds whether it %s, and all that was confirmed",
    (_where, isWritten, stored) => {
      subject.commit(LOAD, FILED, append(1, 3));
      failCommits("SQLITE_IOERR_FSYNC", isWritten);
      expect(subject.commit(append(4, 2))).toEqual({
        lost: expect.stringContaining("did not confirm a commit") as string,
      });
      expect(subject.database.open).toBe(false);

      expect(examine(subject.name)).toEqual(WHOLE);
      subject.open();
      expect(storedMessages()).toBe(stored);
    },
  );
});

test("what a power cut left of a commit does not make what the next one leaves look like damage", () => {
  const [first, second] = [path.join(subject.folder, "first.db"), path.join(subject.folder, "second.db")];
  subject.commit(LOAD, FILED, append(1, 3));
  const before = logOf(subject.name);
  subject.commit(append(4, 200));
  // The first page of the commit did not get to the disk, all others did.
  copyAsCrashed(first);
  damage(`${first}-wal`, written(before, logOf(subject.name)).from + PAGE_BYTES / 2);
  new CommitMark(first).keep(1);
  const left = logOf(first);

  subject.sqlite.leave();
  subject.name = first;
  subject.open();
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
  for (const part of ["", "-wal", "-mark"]) fs.copyFileSync(subject.name + part, to + part);
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
