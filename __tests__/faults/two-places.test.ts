/** What a salvage makes of a file in which a row and its index, or a copy and what it is a copy of, say different things. */
import fs from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import { examine, layoutOfVersion } from "../../src/stores/sqlite/examination";
import type { Losses } from "../../src/stores/sqlite/salvage/reconciliation";
import type { Value } from "../../src/stores/sqlite/pages/record";
import { salvage } from "../../src/stores/sqlite/salvage/salvage";
import { SalvagedFile } from "../../src/stores/sqlite/salvage/salvaged-file";
import { SCHEMA_VERSION } from "../../src/stores/sqlite/schema";
import { contentsOf, copyStore, makeFiles, type Contents } from "./damaged-file";

const NO_QUEUE = 9_999;
/** Ready messages: one of a queue, and a member's copy of a room's. */
const SOME = "(SELECT seq FROM messages WHERE due_at IS NULL AND body = 0 ORDER BY seq LIMIT 1 OFFSET 5)";
const A_COPY = "(SELECT max(seq) FROM messages WHERE due_at IS NULL AND body <> 0)";

let folder = "";
let before: Contents;

beforeAll(async () => {
  folder = await makeFiles();
  before = contentsOf(inFolder("closed.db"));
}, 60_000);
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const inFolder = (name: string): string => path.join(folder, name);

interface Change {
  readonly sql: string;
  /** The index that is not to learn of it. */
  readonly behind?: string;
}

/** A copy of the file with these changes; and the seq that a query finds in it before them. */
function changed(seqSql: string, changes: readonly Change[]): { readonly file: string; readonly seq: number } {
  const file = inFolder("changed.db");
  copyStore(inFolder("closed.db"), file);
  const seq = inFile(file, (database) => Number(database.prepare(`SELECT ${seqSql}`).pluck().get()));
  for (const { sql, behind } of changes) {
    const index = behind === undefined ? undefined : hideIndex(file, behind);
    inFile(file, (database) => database.prepare(sql).run({ seq }));
    if (index) showIndex(file, index);
  }
  return { file, seq };
}

/** Takes an index out of the schema, and leaves its pages where they are. @returns its entry. */
function hideIndex(file: string, name: string): unknown[] {
  return inFile(file, (database) => {
    database.unsafeMode(true).pragma("writable_schema = ON");
    const entry = database.prepare("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master WHERE name = ?");
    const found = entry.raw().get(name) as unknown[];
    database.prepare("DELETE FROM sqlite_master WHERE name = ?").run(name);
    return found;
  });
}

function showIndex(file: string, entry: readonly unknown[]): void {
  inFile(file, (database) => {
    database.unsafeMode(true).pragma("writable_schema = ON");
    database.prepare("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)").run(...entry);
  });
}

function inFile<Result>(file: string, work: (database: Database.Database) => Result): Result {
  const database = new Database(file);
  try {
    return work(database);
  } finally {
    database.close();
  }
}

interface Saved {
  readonly contents: Contents;
  readonly doubtful: readonly number[];
}

/** What a salvage saves, once a check has found fault with the file. */
function savedFrom(file: string): Saved {
  expect(examine(file).faults).not.toEqual([]);
  const to = inFolder("saved.db");
  fs.rmSync(to, { force: true });
  const { losses } = salvage(file, to);
  expect(examine(to).faults).toEqual([]);
  expect([...losses.messages, ...losses.unreadable, ...losses.renamed]).toEqual([]);
  return { contents: contentsOf(to), doubtful: doubtfulOf(losses) };
}

function doubtfulOf({ doubtful }: Losses): number[] {
  return [...doubtful.values()].flatMap((ranges) =>
    ranges.flatMap(({ from, to }) => (from === to ? [from] : [from, to])),
  );
}

test("a row of a queue that is none goes where its index has it", () => {
  const { file, seq } = changed(SOME, [
    { sql: `UPDATE messages SET queue = ${NO_QUEUE} WHERE seq = :seq`, behind: "messages_ready" },
  ]);
  expect(savedFrom(file)).toEqual({ contents: before, doubtful: [seq] });
});

test("a row whose index has it in a queue that is none stays where it is", () => {
  const { file, seq } = changed(SOME, [
    { sql: `UPDATE messages SET queue = queue + ${NO_QUEUE} WHERE seq = :seq` },
    { sql: `UPDATE messages SET queue = queue - ${NO_QUEUE} WHERE seq = :seq`, behind: "messages_ready" },
  ]);
  expect(savedFrom(file)).toEqual({ contents: before, doubtful: [seq] });
});

test("a row that no index knows is saved, and told of: it may have ended", () => {
  const { file, seq } = changed(SOME, [
    { sql: "CREATE TABLE aside AS SELECT * FROM messages WHERE seq = :seq" },
    { sql: "DELETE FROM messages WHERE seq = :seq" },
    { sql: "INSERT INTO messages SELECT * FROM aside", behind: "messages_ready" },
    { sql: "DROP TABLE aside" },
  ]);
  expect(savedFrom(file)).toEqual({ contents: before, doubtful: [seq] });
});

test("a copy whose priority is not that of the room's message takes that", () => {
  const { file } = changed(A_COPY, [{ sql: "UPDATE messages SET priority = 9 - priority WHERE seq = :seq" }]);
  expect(savedFrom(file).contents).toEqual(before);
});

test.each(["id", "payload", "published_at"])("a copy of a room's message has no %s of its own", (column) => {
  const { file } = changed(A_COPY, [{ sql: `UPDATE messages SET ${column} = 'x' WHERE seq = :seq` }]);
  expect(examine(file).faults).not.toEqual([]);
});

test("a number that no double holds is no seq", () => {
  const { file } = changed(SOME, [{ sql: "UPDATE messages SET seq = 4611686018427387905 WHERE seq = :seq" }]);
  expect(examine(file).faults).not.toEqual([]);
  const to = inFolder("saved.db");
  fs.rmSync(to, { force: true });
  salvage(file, to);
  expect([...contentsOf(to).messages.keys()].filter((each) => !before.messages.has(each))).toEqual([]);
});

test("two rows under one number: the first is saved, and told of", () => {
  const layout = layoutOfVersion(SCHEMA_VERSION).tables.find(({ name }) => name === "messages");
  if (layout === undefined) throw new Error("no messages");
  const rows = inFile(
    inFolder("closed.db"),
    (database) => database.prepare("SELECT * FROM messages WHERE body = 0 LIMIT 2").raw().all() as Value[][],
  );
  const to = inFolder("collided.db");
  const file = new SalvagedFile(to, SCHEMA_VERSION);
  file.noteDamagedIndex("messages");
  file.noteDamagedIndex("queues");
  const insert = file.inserter(layout);
  for (const row of rows) insert(17, row);
  const losses = file.settle(false);
  file.close();
  expect(doubtfulOf(losses)).toEqual([17]);
  expect([...contentsOf(to).messages.keys()]).toEqual([17]);
});
