/** What of a file a check of it can tell, column by column: the table of docs/guarantees.md, tried out. */
import fs from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import { examine, layoutOfVersion } from "../../src/stores/sqlite/examination";
import { SCHEMA_VERSION } from "../../src/stores/sqlite/schema";
import { copyStore, makeFiles } from "../faults/damaged-file";

/** What a message says, and the checksum of it. */
const CONTENT = [
  "priority",
  "id",
  "event",
  "payload",
  "grp",
  "headers",
  "publisher",
  "published_at",
  "content_check",
] as const;

interface Guards {
  readonly checksum?: readonly string[];
  /** Held against what stands elsewhere in the file. */
  readonly twice?: readonly string[];
  /** By nothing but the order of rows, where it decides that. */
  readonly none?: readonly string[];
}

const GUARDS: Readonly<Record<string, Guards>> = {
  messages: {
    checksum: CONTENT,
    twice: ["seq", "queue", "bytes", "due_at", "expires_at", "body"],
    none: ["due_fixed", "attempts", "failures", "room", "error"],
  },
  dead: {
    checksum: CONTENT,
    twice: ["seq", "queue", "died_at"],
    none: ["expires_at", "body", "attempts", "failures", "room", "error", "reason", "last_holder"],
  },
  bodies: {
    checksum: CONTENT,
    twice: ["seq", "room", "kept", "refs"],
    none: ["bytes", "due_at", "due_fixed", "expires_at"],
  },
  members: { twice: ["room", "inbox", "covered_from"] },
  queues: { twice: ["no", "address"], none: ["creator", "expired", "purged", "trimmed_to"] },
  meta: { none: ["key", "value"] },
  leased_upto: { none: ["queue", "priority", "seq"] },
  group_holders: { none: ["seq"] },
  blocks: { checksum: ["first_seq", "heads", "heads_check"] },
  block_runs: { checksum: ["first_seq", "text", "text_check"] },
  block_states: { checksum: ["first_seq", "gone", "attempts", "state_check"] },
  ids_0: { none: ["no", "lines"] },
  ids_1: { none: ["no", "lines"] },
  endings: { none: ["no", "at", "count", "lines"] },
};

const WRITTEN_AT_A_STOP = ["group_holders"];

/** References, which are added up; the rest stands in an index as well. */
const ADDED_UP = [
  ["messages", "body"],
  ["bodies", "refs"],
] as const;

/** Names of what meta holds, and what of it is held against anything. */
const META_COMPARED = ["last_seq", "commits", "open"];

const { tables } = layoutOfVersion(SCHEMA_VERSION);
let folder = "";

beforeAll(async () => {
  folder = await makeFiles();
}, 60_000);
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Changes a copy of the file, as the disk might. @returns what is found in it, and how many rows were changed. */
function change(sql: string, store = "crashed.db"): { faults: readonly string[]; rows: number } {
  const file = path.join(folder, "changed.db");
  copyStore(path.join(folder, store), file);
  const database = new Database(file);
  const rows = database.prepare(sql).run().changes;
  database.close();
  return { faults: examine(file).faults, rows };
}

/** Another value in every row, of the same kind where there is one, in the same order where it makes the order. */
function changeColumn(table: string, column: string): ReturnType<typeof change> {
  return change(
    `UPDATE ${table} SET ${column} = CASE typeof(${column}) WHEN 'text' THEN ${column} || 'x' ELSE coalesce(${column}, 0) + 100000 END`,
    WRITTEN_AT_A_STOP.includes(table) ? "closed.db" : "crashed.db",
  );
}

function columnsBy(guard: keyof Guards): [table: string, column: string][] {
  return Object.entries(GUARDS).flatMap(([table, guards]) =>
    (guards[guard] ?? []).map((column): [string, string] => [table, column]),
  );
}

test("every column of the file is spoken of", () => {
  const spokenOf = Object.entries(GUARDS).map(([name, { checksum = [], twice = [], none = [] }]) => [
    name,
    [...checksum, ...twice, ...none].sort(),
  ]);
  const there = tables.map(({ name, columns }) => [name, [...columns].sort()]);
  expect(Object.fromEntries(spokenOf)).toEqual(Object.fromEntries(there));
});

test.each([...columnsBy("checksum"), ...ADDED_UP])("a change of %s.%s is found", (table, column) => {
  const { faults, rows } = changeColumn(table, column);
  expect(rows).toBeGreaterThan(0);
  expect(faults).not.toEqual([]);
});

test.each(columnsBy("twice"))("%s.%s stands in the file once more", (name, column) => {
  if (ADDED_UP.some(([table, added]) => table === name && added === column)) return;
  const table = tables.find((each) => each.name === name);
  const place = table?.columns.indexOf(column) ?? -1;
  const inIndex = table?.indexes.some(
    ({ columns, sql }) => columns.includes(place) || (/ WHERE /.test(sql) && sql.includes(column)),
  );
  expect(inIndex === true || (table?.rowid === column && table.indexes.length > 0)).toBe(true);
});

test.each(columnsBy("none").filter(([table]) => table !== "meta" && !table.startsWith("ids_")))(
  "a change of %s.%s goes unnoticed",
  (table, column) => {
    const { faults, rows } = changeColumn(table, column);
    expect(rows).toBeGreaterThan(0);
    expect(faults).toEqual([]);
  },
);

test.each(["no", "lines"])("a change of %s, of remembered ids, goes unnoticed", (column) => {
  const changes = ["ids_0", "ids_1"].map((table) => changeColumn(table, column));
  expect(changes.reduce((sum, { rows }) => sum + rows, 0)).toBeGreaterThan(0);
  expect(changes.flatMap(({ faults }) => faults)).toEqual([]);
});

test("of what the file keeps of itself, a count of commits and a seq that are too low are found", () => {
  for (const key of ["last_seq", "commits"]) {
    const { faults, rows } = change(`UPDATE meta SET value = value - 1 WHERE key = '${key}'`);
    expect({ key, rows, found: faults.length > 0 }).toEqual({ key, rows: 1, found: true });
  }
  const others = META_COMPARED.map((key) => `'${key}'`).join();
  const { faults, rows } = change(`UPDATE meta SET value = value + 1 WHERE key NOT IN (${others}) OR key = 'last_seq'`);
  expect(rows).toBe(5);
  expect(faults).toEqual([]);
});
