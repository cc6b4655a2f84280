/** What a commit that fails leaves behind: nothing, but for the queues that later calls are about. */
import Database from "better-sqlite3";
import { packChange, packRow, unpackMessages, type Call } from "../../src/stores/sqlite/calls";
import { Packer } from "../../src/stores/sqlite/packed";
import { SqliteFile } from "../../src/stores/sqlite/sqlite-file";
import { NOW, queue, SUITE_SETTINGS } from "../conformance/store-in-suite";
import { storedMessage } from "./stored-message";

const FILED: Call = { kind: "queue", argument: { no: 1, address: queue, creator: "acme" } };
/** It is no kind of change, and so makes its commit fail after all that went before it. */
const POISON: Call = {
  kind: "change",
  argument: { now: NOW, changes: { numbers: Float64Array.of(99, 1), pieces: [] } },
};

/** A database whose disk can be full. */
class FullDatabase extends Database {
  isFull = false;

  override exec(sql: string): this {
    if (this.isFull && sql === "COMMIT") throw new Error("database or disk is full");
    return super.exec(sql);
  }
}

let database: FullDatabase;
let file: SqliteFile;

beforeEach(() => {
  database = new FullDatabase(":memory:");
  file = SqliteFile.on(database, SUITE_SETTINGS, { now: () => NOW, steady: () => 0 });
});

afterEach(() => file.close());

function append(seq: number): Call {
  const packer = new Packer(16);
  packRow(packer, { message: storedMessage(seq), dueAt: undefined, isDueFixed: false, resident: true });
  return { kind: "append", argument: { rows: packer.pack(), copies: 0 } };
}

function ack(seq: number): Call {
  const { id, queueNo, body } = storedMessage(seq);
  const ending = { id, how: "acked", attempt: 1, client: "d1" } as const;
  const packer = new Packer(16);
  packChange(packer, { kind: "end", row: { seq, queueNo, body }, ending });
  return { kind: "change", argument: { now: NOW, changes: packer.pack() } };
}

function idsOnDisk(): string[] {
  const [page] = file.commit([
    { kind: "page", argument: { queueNo: 1, priority: 4, afterSeq: 0, limit: 10, limitBytes: 1e6 } },
  ]) as [Parameters<typeof unpackMessages>[0]];
  return unpackMessages(page, () => queue).map(({ id }) => id);
}

function endingsOf(id: string): unknown {
  return file.commit([{ kind: "endings", argument: { id, queueNo: undefined, limit: 20 } }])[0];
}

test("does all of a commit's calls or none", () => {
  file.commit([FILED, append(1)]);
  expect(() => file.commit([append(2), ack(1), POISON])).toThrow("99 is no change");
  expect(idsOnDisk()).toEqual(["m1"]);
  expect(endingsOf("m1")).toEqual([]);
  file.commit([append(2), ack(1)]);
  expect(idsOnDisk()).toEqual(["m2"]);
  expect(endingsOf("m1")).toEqual([
    { queueNo: 1, ending: { id: "m1", how: "acked", at: NOW, attempt: 1, client: "d1" } },
  ]);
});

test("files the queues of a commit that failed with the next one", () => {
  expect(() => file.commit([FILED, POISON])).toThrow("99 is no change");
  file.commit([append(1)]);
  const [snapshot] = file.commit([{ kind: "load", argument: null }]);
  expect(snapshot).toMatchObject({ lastSeq: 1, queues: [{ no: 1, address: queue, creator: "acme" }] });
});

test("gives no seq again that a commit has taken that failed, once another has told of it", () => {
  file.commit([FILED, append(1)]);
  database.isFull = true;
  expect(() => file.commit([append(2)])).toThrow("database or disk is full");
  database.isFull = false;
  file.commit([ack(1)]);
  const [snapshot] = file.commit([{ kind: "load", argument: null }]);
  expect(snapshot).toMatchObject({ lastSeq: 2, lanes: [] });
});
