/** What is committed together, and what becomes of the calls of a commit that the file refuses, by why it does. */
import type { Call, CallKind, Calls, Post } from "../../src/stores/sqlite/calls";
import { NO_SPACE } from "../../src/stores/sqlite/calls";
import { Committer } from "../../src/stores/sqlite/committer";
import { DamagedError } from "../../src/stores/sqlite/damage";
import type { SqliteFile } from "../../src/stores/sqlite/sqlite-file";

const NOTHING = { numbers: new Float64Array(0), pieces: [] };
const APPEND: Call = { kind: "append", argument: { rows: NOTHING, copies: 0 } };
const ACK: Call = { kind: "change", argument: { now: 0, changes: NOTHING } };
const PROBE: Call = { kind: "probe", argument: null };

/** Of a file only what a commit asks of it: here it refuses those that say so, for this reason. */
function committerOn(refuses: (calls: readonly Call[]) => boolean, reason: Error, leave?: () => void): Committer {
  const file = {
    lastCommitMs: 0,
    file: undefined,
    leave,
    commit(calls: readonly Call[]): Calls[CallKind][1][] {
      if (refuses(calls)) throw reason;
      return calls.map(({ kind }) => (kind === "append" ? [] : null));
    },
  };
  return new Committer(file as unknown as SqliteFile, () => undefined);
}

const hasAppend = (calls: readonly Call[]): boolean => calls.some(({ kind }) => kind === "append");

test.each(["SQLITE_FULL", "ENOSPC"])(
  "%s refuses the publishes alone: acks, and what else there is, are tried without",
  (code) => {
    const committer = committerOn(hasAppend, Object.assign(new Error("no space"), { code }));
    expect(committer.commit([APPEND, ACK, APPEND, PROBE]).answer).toEqual({
      results: [NO_SPACE, null, NO_SPACE, null],
    });
  },
);

test("a full disk puts a step of the clock off, which changes all times, also one that was owed, and the acks go on", () => {
  const seen: [number, boolean | undefined][] = [];
  const file = {
    lastCommitMs: 0,
    commit(calls: readonly Call[], withRoom?: boolean): Calls[CallKind][1][] {
      seen.push([calls.length, withRoom]);
      if (withRoom !== false) throw Object.assign(new Error("no space"), { code: "SQLITE_FULL" });
      return calls.map(() => null);
    },
  };
  const committer = new Committer(file as unknown as SqliteFile, () => undefined);
  const step: Call = { kind: "move", argument: { byMs: 5_000, before: 0 } };
  expect(committer.commit([step, ACK]).answer).toEqual({ results: [NO_SPACE, null] });
  expect(seen).toEqual([
    [2, undefined],
    [1, false],
  ]);
});

test("a disk without room for the acks either refuses all, and says that it is full", () => {
  const committer = committerOn(() => true, Object.assign(new Error("no space"), { code: "SQLITE_FULL" }));
  expect(committer.commit([APPEND, ACK]).answer).toEqual({ failed: "no space (SQLITE_FULL)", count: 2, isFull: true });
});

test("any other failure refuses all: none of them is tried without the others", () => {
  const committer = committerOn(hasAppend, Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR" }));
  expect(committer.commit([APPEND, ACK]).answer).toEqual({
    failed: "disk I/O error (SQLITE_IOERR)",
    count: 2,
    isFull: false,
  });
});

test.each(["SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC"])(
  "%s, a sync that failed, is the end: nothing is committed after it",
  (code) => {
    const leave = jest.fn();
    const committer = committerOn(() => true, Object.assign(new Error("disk I/O error"), { code }), leave);
    expect(committer.commit([APPEND, ACK])).toEqual({
      answer: { lost: expect.stringContaining(`disk I/O error (${code})`) as string },
      closed: true,
    });
    expect(leave).toHaveBeenCalledTimes(1);
  },
);

test("a sync that fails once a full disk has refused the publishes is the end as well", () => {
  const reasons = ["SQLITE_FULL", "SQLITE_IOERR_FSYNC"].map((code) => Object.assign(new Error("no"), { code }));
  const file = {
    lastCommitMs: 0,
    commit: () => {
      throw reasons.shift() ?? new Error("asked once too often");
    },
    leave: () => {},
  };
  const { answer, closed } = new Committer(file as unknown as SqliteFile, () => undefined).commit([APPEND, ACK]);
  expect([Object.keys(answer), closed]).toEqual([["lost"], true]);
});

test("what is damaged is told as such: the store cannot go on with it", () => {
  const committer = committerOn(() => true, new DamagedError("message 7 is not what was stored"));
  expect(committer.commit([ACK]).answer).toEqual({
    damaged: expect.stringContaining("message 7 is not what was stored") as string,
  });
});

test.each([
  ["an instant", 0, 2],
  ["a millisecond", 1, 2],
  ["five milliseconds", 5, 10],
  ["longer than all posts make up for", 1_000, 100],
])(
  "where a commit takes %s, posts that wait are committed together: %d ms, %d posts",
  (_time, lastCommitMs, together) => {
    const NUMBERS_PER_CHANGE = 8;
    const changes = { numbers: new Float64Array(64 * NUMBERS_PER_CHANGE), pieces: [] };
    const post: Post = [{ kind: "change", argument: { now: 0, changes } }];
    const commit = jest.fn((calls: readonly Call[]) => calls.map(() => null));
    const waiting = Array.from({ length: 99 }, () => post);
    const committer = new Committer({ lastCommitMs, commit } as unknown as SqliteFile, () => waiting.shift());

    expect(committer.commit(post).answer).toEqual({ results: Array.from({ length: together }, () => null) });
    expect(commit).toHaveBeenCalledTimes(1);
    expect(waiting).toHaveLength(100 - together);
  },
);
