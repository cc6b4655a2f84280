import Database from "better-sqlite3";
import type { Change } from "../../src/stores/ledger/journal";
import type { Call } from "../../src/stores/sqlite/calls";
import { SqliteFile } from "../../src/stores/sqlite/sqlite-file";
import { packChanges, packRows } from "./packing";
import { storedMessage } from "./stored-message";

const THREAD_TIME = 1_800_000_000_000;
const HOUR_MS = 3_600_000;

let file: SqliteFile;

beforeEach(() => {
  file = SqliteFile.on(
    new Database(":memory:"),
    {
      dedupWindowMs: 60_000,
      dedupMaxIds: 1_000,
      historyMessages: 20,
      historyMs: 60_000,
      maxEndings: 1_000,
      maxQueues: 100,
      maxQueuesPerClient: 100,
    },
    { now: () => THREAD_TIME, steady: () => 0 },
  );
});

afterEach(() => file.close());

/** One commit in which this queue's message of this id is acked, at a time by the hub's clock. */
function ack(queueNo: number, id: string, now = THREAD_TIME): void {
  const change: Change = {
    kind: "end",
    row: { seq: queueNo, queueNo, body: 0 },
    ending: { id, how: "acked", attempt: 1, client: "c" },
  };
  carryOut({ kind: "change", argument: { now, changes: packChanges([change]) } });
}

function carryOut(call: Call): unknown {
  return file.commit([call])[0];
}

test("the ending in one queue is found, however many others of that id came later in others", () => {
  for (let queueNo = 1; queueNo <= 100; queueNo++) ack(queueNo, "to-all");
  ack(11, "another");
  expect(carryOut({ kind: "endings", argument: { id: "to-all", queueNo: 1, limit: 20 } })).toEqual([
    { queueNo: 1, ending: { id: "to-all", how: "acked", at: THREAD_TIME, attempt: 1, client: "c" } },
  ]);
});

test("an ending has the hub's time, which follows a step of the clock where the storage thread's does not", () => {
  ack(1, "m", THREAD_TIME - HOUR_MS);
  expect(carryOut({ kind: "endings", argument: { id: "m", queueNo: undefined, limit: 20 } })).toMatchObject([
    { ending: { id: "m", at: THREAD_TIME - HOUR_MS } },
  ]);
});

test("so has a purge", () => {
  const row = storedMessage(1);
  const rows = packRows([{ message: row, dueAt: undefined, isDueFixed: false, resident: true }]);
  carryOut({ kind: "append", argument: { rows, copies: 0 } });
  const dead: Change = { kind: "dead", row, failures: 1, reason: "refused", error: "torn", lastHolder: "c" };
  carryOut({ kind: "change", argument: { now: THREAD_TIME, changes: packChanges([dead]) } });
  const later = THREAD_TIME + HOUR_MS;
  expect(carryOut({ kind: "purge", argument: { queueNo: 1, selection: {}, limit: 10, now: later } })).toBe(1);
  expect(carryOut({ kind: "endings", argument: { id: row.id, queueNo: 1, limit: 20 } })).toMatchObject([
    { ending: { how: "purged", at: later } },
  ]);
});
