/** A check of the file while the hub uses it: what it finds, and what it makes way for. */
import fs from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import { BackgroundCheck } from "../../src/stores/sqlite/background-check";
import { NO_SPACE, type Call } from "../../src/stores/sqlite/calls";
import type { DatabaseFile } from "../../src/stores/sqlite/database-file";
import { ChangeGatherer } from "../../src/stores/sqlite/gatherers";
import { NOW } from "../conformance/store-in-suite";
import { append, FILED, FileUnderTest, LOAD, PAGE_BYTES } from "./file-under-test";

let subject: FileUnderTest;

beforeEach(() => {
  subject = new FileUnderTest();
  subject.commit(LOAD, FILED, append(1, 100));
});

afterEach(() => {
  jest.useRealTimers();
  subject.remove();
});

function ack(seq: number): Call {
  const gatherer = new ChangeGatherer(NOW);
  const ending = { id: `m${seq}`, how: "acked", attempt: 1, client: "d1" } as const;
  gatherer.add({ kind: "end", row: { seq, queueNo: 1, body: 0 }, ending });
  return gatherer.makeCall();
}

/** The disk has no room for the next commit, and for the one after that it has. */
function refuseNextCommit(): void {
  const { database } = subject.file;
  const exec = Database.prototype.exec;
  const spy = jest.spyOn(database, "exec").mockImplementation((sql) => {
    if (sql !== "COMMIT") return exec.call(database, sql);
    spy.mockRestore();
    throw new Database.SqliteError("database or disk is full", "SQLITE_FULL");
  });
}

function commitsUntilCopied(): unknown {
  return subject.file.database.pragma("wal_autocheckpoint", { simple: true });
}

describe("a file that is held still", () => {
  test("does not change by commits, until it is let go", () => {
    const usual = commitsUntilCopied();
    const release = subject.file.holdStill(() => {});
    const before = fs.readFileSync(subject.name);
    subject.commit(append(101, 100));
    expect(commitsUntilCopied()).toBe(0);
    expect(fs.readFileSync(subject.name).equals(before)).toBe(true);
    release?.();
    expect(commitsUntilCopied()).toBe(usual);
  });

  test("has its log copied when the disk is full, and says so before: acks go on", () => {
    const usual = commitsUntilCopied();
    const seen: Buffer[] = [];
    subject.file.holdStill(() => seen.push(fs.readFileSync(subject.name)));
    const before = fs.readFileSync(subject.name);
    subject.commit(append(101, 100));

    refuseNextCommit();
    expect(subject.commit(append(201, 1_000), ack(1))).toEqual({ results: [NO_SPACE, null] });
    expect(seen.map((bytes) => bytes.equals(before))).toEqual([true]);
    expect(fs.readFileSync(subject.name).equals(before)).toBe(false);
    expect(commitsUntilCopied()).toBe(usual);

    refuseNextCommit();
    subject.commit(append(201, 1_000), ack(2));
    expect(seen).toHaveLength(1);
  });

  test("is not, where its log cannot be copied: the hub goes on", () => {
    const usual = commitsUntilCopied();
    const { database } = subject.file;
    const pragma = database.pragma.bind(database);
    jest.spyOn(database, "pragma").mockImplementation((source, options) => {
      if (source.startsWith("wal_checkpoint")) {
        throw new Database.SqliteError("database or disk is full", "SQLITE_FULL");
      }
      return pragma(source, options);
    });
    expect(subject.file.holdStill(() => {})).toBeUndefined();
    expect(commitsUntilCopied()).toBe(usual);
  });
});

/** What a check of damaged pages tells. */
function checkDamaged(holdStill: (disturbed: () => void) => void): Promise<readonly string[]> {
  subject.file.shrinkLog();
  const damaged = path.join(subject.folder, "damaged.db");
  const bytes = fs.readFileSync(subject.name);
  fs.writeFileSync(damaged, bytes.fill(7, PAGE_BYTES, 3 * PAGE_BYTES));
  const fd = fs.openSync(damaged, "r");
  const told: string[] = [];
  // But for the wait before it begins, its thread takes the time that it takes.
  jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "queueMicrotask", "performance"] });
  return new Promise((resolve) => {
    const held = {
      isChecked: false,
      name: damaged,
      fd,
      holdStill: (disturbed: () => void) => {
        holdStill(disturbed);
        return () => {
          check.stop();
          fs.closeSync(fd);
          resolve(told);
        };
      },
    };
    const check = new BackgroundCheck(held as unknown as DatabaseFile, (text) => told.push(text));
    jest.runOnlyPendingTimers();
  });
}

test("what a check finds is told", async () => {
  expect(await checkDamaged(() => {})).toEqual([expect.stringContaining("damaged.db is damaged: page")]);
});

test("what it finds in a file that changed meanwhile does not count", async () => {
  expect(await checkDamaged((disturbed) => disturbed())).toEqual([]);
});
