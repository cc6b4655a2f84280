/** The ids of the dedup window on disk, and what leads to them in memory. */
import Database from "better-sqlite3";
import { IdWindow } from "../../src/stores/sqlite/id-window";
import { migrate } from "../../src/stores/sqlite/schema";
import { SqliteFile } from "../../src/stores/sqlite/sqlite-file";
import { packRows } from "./packing";
import { storedMessage } from "./stored-message";

const HOUR_MS = 3_600_000;
const SETTINGS = { dedupWindowMs: HOUR_MS, dedupMaxIds: 1_000_000 };

let database: Database.Database;

beforeEach(() => {
  database = new Database(":memory:");
});
afterEach(() => {
  database.close();
  jest.restoreAllMocks();
});

function openWindow(settings = SETTINGS): IdWindow {
  migrate(database);
  const ids = new IdWindow(database, settings);
  ids.rotate(Date.now());
  return ids;
}

/** Remembers as one transaction does. @returns the seqs that they had before. */
function rememberAll(ids: IdWindow, queueNo: number, names: readonly string[], firstSeq: number): number[] {
  const former = names.map((name, index) => ids.remember(queueNo, name, firstSeq + index));
  ids.write();
  ids.keep();
  return former;
}

const numbered = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => `order-${from + index}`);

test("each of many ids is found, by the next process as well, and no other", () => {
  const ids = openWindow();
  for (let from = 0; from < 20_000; from += 500) {
    expect(rememberAll(ids, 1, numbered(500, from), 1 + from)).toEqual(numbered(500).map(() => 0));
  }
  const reopened = new IdWindow(database, SETTINGS);
  for (const window of [ids, reopened]) {
    expect(numbered(20_000).every((name, index) => window.find(1, name) === index + 1)).toBe(true);
    expect(numbered(1_000, 20_000).some((name) => window.find(1, name) !== 0)).toBe(false);
    expect(window.find(2, "order-7")).toBe(0);
  }
  expect([...reopened.queueNumbers()]).toEqual([1]);
});

test("a row takes ids until it is about as large as a page", () => {
  const ids = openWindow();
  for (let each = 0; each < 1_000; each++) rememberAll(ids, 1, [`order-${each}`], each + 1);
  const lengths = database.prepare("SELECT length(lines) FROM ids_0 UNION ALL SELECT length(lines) FROM ids_1");
  const rows = lengths.pluck().all() as number[];
  expect(rows.length).toBeGreaterThan(2);
  expect(rows.length).toBeLessThan(10);
  expect(Math.max(...rows)).toBeLessThan(4_096);
});

test("ids that have the same fingerprint are told from one another", () => {
  jest.spyOn(Math, "imul").mockReturnValue(7);
  const ids = openWindow();
  rememberAll(ids, 1, ["a", "b"], 1);
  rememberAll(ids, 2, ["a"], 3);
  expect(rememberAll(ids, 1, ["c", "b"], 4)).toEqual([0, 2]);
  expect([ids.find(1, "a"), ids.find(1, "b"), ids.find(2, "a"), ids.find(1, "c")]).toEqual([1, 2, 3, 4]);
  expect([ids.find(1, "d"), ids.find(2, "b"), ids.find(1, ""), ids.find(3, "a")]).toEqual([0, 0, 0, 0]);
});

test("the ids of a transaction that was rolled back are not remembered, and can be published again", () => {
  const settings = {
    ...SETTINGS,
    historyMessages: 0,
    historyMs: 0,
    maxEndings: 10,
    maxQueues: 9,
    maxQueuesPerClient: 9,
  };
  const file = SqliteFile.on(database, settings, { now: Date.now, steady: Date.now });
  const append = (seq: number) => {
    const rows = packRows([
      { message: storedMessage(seq, { id: "a" }), dueAt: undefined, isDueFixed: false, resident: true },
    ]);
    return { kind: "append" as const, argument: { rows, copies: 0 } };
  };
  file.commit([{ kind: "queue", argument: { no: 1, address: "/:driver", creator: "acme" } }]);
  // The second stands in the first one's place.
  const clash = {
    ...append(1),
    argument: {
      rows: packRows([{ message: storedMessage(1, { id: "b" }), dueAt: undefined, isDueFixed: false, resident: true }]),
      copies: 0,
    },
  };
  expect(() => file.commit([append(1), clash])).toThrow(/UNIQUE/);
  expect(file.commit([append(2)])).toEqual([[]]);
  expect(file.commit([append(3)])).toEqual([[0, 2]]);
});

test("a generation that is emptied is forgotten, its rows as well", () => {
  const ids = openWindow({ dedupWindowMs: 1_000, dedupMaxIds: 1_000_000 });
  const now = Date.now();
  rememberAll(ids, 1, ["first"], 1);
  ids.rotate(now + 1_500);
  rememberAll(ids, 1, ["second"], 2);
  expect([ids.find(1, "first"), ids.find(1, "second")]).toEqual([1, 2]);
  ids.rotate(now + 3_000);
  expect([ids.find(1, "first"), ids.find(1, "second")]).toEqual([0, 2]);
  expect(rememberAll(ids, 1, ["first"], 3)).toEqual([0]);
  expect(database.prepare("SELECT count(*) FROM ids_0").pluck().get()).toBe(1);
});

test.each([
  ["as it was", 0],
  ["set back", -HOUR_MS],
  ["set forwards", 10 * HOUR_MS],
])("an id is remembered for as long when the next process finds the clock %s", (_how, byMs) => {
  const now = Date.now();
  const ids = openWindow();
  rememberAll(ids, 1, ["older"], 1);
  ids.rotate(now + HOUR_MS + 1_000);
  rememberAll(ids, 1, ["younger"], 2);
  const reopened = new IdWindow(database, SETTINGS);
  reopened.rotate(now + HOUR_MS + 2_000 + byMs);
  expect([reopened.find(1, "older"), reopened.find(1, "younger")]).toEqual([1, 2]);
  reopened.rotate(now + 2 * HOUR_MS + 3_000 + byMs);
  expect([reopened.find(1, "older"), reopened.find(1, "younger")]).toEqual([0, 2]);
});
