/** Messages that share rows of the file: what goes in, what is taken out, and what a commit that fails leaves of it. */
import Database from "better-sqlite3";
import type { AppendRow, Change, StoredMessage } from "../../src/stores/ledger/journal";
import { packBlocks } from "../../src/stores/sqlite/block";
import type { BlockLimits } from "../../src/stores/sqlite/blocks";
import { unpackMessages, type Call, type Calls } from "../../src/stores/sqlite/calls";
import { SqliteFile } from "../../src/stores/sqlite/sqlite-file";
import { rowOf, rowsOf } from "./append-rows";
import { packChanges } from "./packing";
import { storedMessage } from "./stored-message";

const NOW = 1_800_000_000_000;
const SETTINGS = {
  dedupWindowMs: 600_000,
  dedupMaxIds: 1_000_000,
  historyMessages: 0,
  historyMs: 0,
  maxEndings: 1_000,
  maxQueues: 1_000,
  maxQueuesPerClient: 1_000,
};

let database: FailingDatabase;
let file: SqliteFile;

/** Its commits fail while the test says so. */
class FailingDatabase extends Database {
  failing = false;

  override exec(sql: string): this {
    if (this.failing && sql === "COMMIT") throw new Error("the disk is on fire");
    return super.exec(sql);
  }
}

function open(blockLimits?: BlockLimits, image: Buffer | string = ":memory:"): void {
  database = new FailingDatabase(image);
  file = SqliteFile.on(database, { ...SETTINGS, blockLimits }, { now: () => NOW, steady: () => 0 });
}

/** The process ends without a word, and another one opens what was committed. @returns what it finds. */
function crash(blockLimits?: BlockLimits): Calls["load"][1] {
  const image = database.serialize();
  database.close();
  open(blockLimits, image);
  return commit({ kind: "load", argument: null }) as Calls["load"][1];
}

beforeEach(() => {
  open();
  commit({ kind: "load", argument: null });
  for (const no of [1, 2, 3]) {
    commit({ kind: "queue", argument: { no, address: `/:queue-${no}`, creator: "acme" } });
  }
});
afterEach(() => database.close());

function commit(...calls: Call[]): unknown {
  const results = file.commit(calls);
  return results[results.length - 1];
}

const append = (rows: readonly AppendRow[]): Call => ({
  kind: "appendBlocks",
  argument: { blocks: packBlocks(rows), count: rows.length },
});
const change = (...changes: Change[]): Call => ({
  kind: "change",
  argument: { now: NOW, changes: packChanges(changes) },
});

function end(seq: number): Change {
  const { queueNo, body, id } = storedMessage(seq);
  return { kind: "end", row: { seq, queueNo, body }, ending: { id, how: "acked", attempt: 1, client: "d1" } };
}

function retry(seq: number, attempts: number, dueAt?: number): Change {
  return { kind: "retry", message: storedMessage(seq, { attempts }), dueAt, failures: attempts, error: "failed" };
}

function page(afterSeq = 0, queueNo = 1, priority = 4, limit = 1_000, limitBytes = 2 ** 30): StoredMessage[] {
  const argument = { queueNo, priority, afterSeq, limit, limitBytes };
  return unpackMessages(commit({ kind: "page", argument }) as Calls["page"][1], () => storedMessage(1).queue);
}

const seqsOf = (messages: readonly StoredMessage[]): number[] => messages.map(({ seq }) => seq);
const count = (table: string): number => Number(database.prepare(`SELECT count(*) FROM ${table}`).pluck().get());
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at);

describe("messages in blocks", () => {
  it("are read in order, from after a seq on, those of a lane only, and within limits", () => {
    const lanes = (seq: number): Partial<StoredMessage> => ({
      queueNo: 1 + (seq % 2),
      priority: seq % 3 === 0 ? 9 : 4,
    });
    commit(append(rowsOf(1, 30, lanes)), append(rowsOf(31, 30, lanes)));
    const ofLane = range(1, 60).filter((seq) => seq % 2 === 0 && seq % 3 !== 0);
    expect(seqsOf(page())).toEqual(ofLane);
    expect(seqsOf(page(20))).toEqual(ofLane.filter((seq) => seq > 20));
    expect(seqsOf(page(0, 1, 4, 7))).toEqual(ofLane.slice(0, 7));
    expect(seqsOf(page(0, 1, 4, 100, 1))).toEqual(ofLane.slice(0, 1));
    expect(seqsOf(page(0, 2, 9))).toEqual(range(1, 60).filter((seq) => seq % 2 === 1 && seq % 3 === 0));
    expect(page(0, 3)).toEqual([]);
  });

  it("and those in rows of their own are read as one, by their seqs", () => {
    commit(append(rowsOf(1, 20)));
    commit(change(retry(7, 1), retry(15, 3), end(3)));
    const found = page();
    expect(seqsOf(found)).toEqual(range(1, 20).filter((seq) => seq !== 3));
    expect(found.filter(({ failures }) => failures > 0)).toMatchObject([
      { seq: 7, attempts: 1, failures: 1, lastError: "failed" },
      { seq: 15, attempts: 3, failures: 3, lastError: "failed" },
    ]);
    const argument = { seqs: [2, 3, 7, 8, 99], limitBytes: 2 ** 30 };
    const { messages, read } = commit({ kind: "fetch", argument }) as Calls["fetch"][1];
    expect([seqsOf(unpackMessages(messages, () => storedMessage(1).queue)), read]).toEqual([[2, 7, 8], 5]);
  });

  it("that are gone take their block along when it has no others", () => {
    commit(append(rowsOf(1, 20)));
    commit(change(...range(1, 19).map(end)));
    expect([count("blocks"), count("block_states")]).toEqual([1, 1]);
    expect(seqsOf(page())).toEqual([20]);
    commit(change(end(20)));
    expect([count("blocks"), count("block_states")]).toEqual([0, 0]);
    expect(page()).toEqual([]);
  });

  it("are known to the next process, with what became of them, and counted as possibly out only once", () => {
    commit(append([...rowsOf(1, 10), ...range(11, 20).map((seq) => rowOf(seq, {}, true))]));
    commit(change(end(2), end(12), retry(4, 1, NOW + 1_000)));
    for (const attempts of [1, 1]) {
      const { lanes, lastSeq } = crash();
      expect(lastSeq).toBe(20);
      expect(lanes).toEqual([{ queueNo: 1, priority: 4, count: 17, bytes: expect.any(Number) }]);
      const waiting = (
        commit({ kind: "fetch", argument: { seqs: range(1, 20), limitBytes: 2 ** 30 } }) as Calls["fetch"][1]
      ).messages;
      const found = unpackMessages(waiting, () => storedMessage(1).queue);
      expect(found.map((message) => [message.seq, message.attempts])).toEqual([
        ...[1, 3, 5, 6, 7, 8, 9, 10].map((seq) => [seq, 0]),
        ...[11, 13, 14, 15, 16, 17, 18, 19, 20].map((seq) => [seq, attempts]),
      ]);
    }
    expect(seqsOf(page(0, 1, 4, 5))).toEqual([1, 3, 5, 6, 7]);
    crash();
    expect(page().map(({ attempts }) => attempts)).toEqual([1, 1, 1, 1, 1, 0, 0, 0, ...range(1, 9).map(() => 1)]);
  });

  it("that were out as the file was closed have the attempts that they had, and no more", () => {
    commit(append(range(1, 10).map((seq) => rowOf(seq, {}, true))));
    commit({ kind: "close", argument: { attempts: [3, 1, 5, 2], groupHolders: [] } });
    crash();
    expect(page().map(({ attempts }) => attempts)).toEqual([0, 0, 1, 0, 2, 0, 0, 0, 0, 0]);
  });

  it("of a row's seq, or of one that is gone, are nowhere else", () => {
    commit(append(rowsOf(1, 10)));
    commit(change(retry(4, 1)), change(end(4)));
    expect(seqsOf(page())).toEqual([1, 2, 3, 5, 6, 7, 8, 9, 10]);
    expect(count("messages")).toBe(0);
  });

  it("are found by their ids, slice by slice", () => {
    const named = (seq: number): Partial<StoredMessage> =>
      seq % 10 === 0 ? { id: "same", queueNo: 1 + (seq % 20 === 0 ? 1 : 0) } : {};
    commit(
      append(rowsOf(1, 9)),
      append(rowsOf(10, 1, named)),
      append(rowsOf(11, 20, (seq) => (seq === 20 ? named(seq) : {}))),
    );
    const find = (queueNo: number | undefined, afterSeq: number, limit: number) => {
      const argument = { id: "same", queueNo, afterSeq, limit };
      const found = commit({ kind: "find", argument }) as Calls["find"][1];
      const messages = unpackMessages(found.messages, () => storedMessage(1).queue);
      return [seqsOf(messages), messages.map(({ payload }) => payload).join(""), found.next];
    };
    expect(find(undefined, 0, 1_000)).toEqual([[10, 20], "", undefined]);
    expect(find(2, 0, 1_000)).toEqual([[20], "", undefined]);
    expect(find(undefined, 10, 1_000)).toEqual([[20], "", undefined]);
    expect(find(undefined, 0, 5)).toEqual([[], "", 9]);
    expect(find(undefined, 9, 1)).toEqual([[10], "", 10]);
  });

  it("are stored once for each id", () => {
    commit(append(rowsOf(1, 10)));
    const again = rowsOf(11, 4, (seq) => ({ id: `m${seq - 2}` }));
    expect(commit(append(again))).toEqual([0, 9, 1, 10]);
    expect(seqsOf(page(10))).toEqual([13, 14]);
    expect(commit(append(rowsOf(15, 2, (seq) => ({ id: `m${seq - 14}` }))))).toEqual([0, 1, 1, 2]);
    expect(count("blocks")).toBe(2);
  });
});

describe("a transaction that fails", () => {
  function fail(...calls: Call[]): void {
    database.failing = true;
    expect(() => commit(...calls)).toThrow("the disk is on fire");
    database.failing = false;
  }

  it("has stored nothing, and taken nothing out", () => {
    commit(append(rowsOf(1, 10)));
    fail(append(rowsOf(11, 10)), change(end(2), retry(5, 1)));
    expect(seqsOf(page())).toEqual(range(1, 10));
    expect(page().map(({ attempts }) => attempts)).toEqual(range(1, 10).map(() => 0));
    expect(commit(append(rowsOf(21, 10, (seq) => ({ id: `m${seq - 10}` }))))).toEqual([]);
    commit(change(end(1)));
    expect(seqsOf(page())).toEqual([...range(2, 10), ...range(21, 30)]);
    crash();
    expect(seqsOf(page())).toEqual([...range(2, 10), ...range(21, 30)]);
  });

  it("leaves a block to its lane that it would have emptied before it was read", () => {
    commit(append(rowsOf(1, 8)));
    const argument = { queueNo: 1, priority: 4, afterSeq: 0, limit: 10, limitBytes: 2 ** 30 };
    fail(change(...range(1, 8).map(end)), { kind: "page", argument });
    expect(seqsOf(page())).toEqual(range(1, 8));
  });

  it("leaves nothing of a block for which there is no room", () => {
    commit(append(rowsOf(1, 10)));
    database.pragma(`max_page_count = ${Number(database.pragma("page_count", { simple: true }))}`);
    const large = rowsOf(11, 10, () => ({ payload: JSON.stringify("x".repeat(10_000)) }));
    expect(() => commit(append(large))).toThrow("database or disk is full");
    expect(seqsOf(page())).toEqual(range(1, 10));
    database.pragma("max_page_count = 1000000");
    expect(commit(append(rowsOf(21, 10, (seq) => ({ id: `m${seq - 10}` }))))).toEqual([]);
    expect(seqsOf(page())).toEqual([...range(1, 10), ...range(21, 30)]);
  });

  it("leaves a block that it would have emptied", () => {
    commit(append(rowsOf(1, 8)));
    fail(change(...range(1, 8).map(end)));
    expect(seqsOf(page())).toEqual(range(1, 8));
    commit(change(end(8)));
    expect(seqsOf(page())).toEqual(range(1, 7));
  });
});

describe("what is left of blocks", () => {
  it("gets rows of its own where much lies about that is gone", () => {
    database.close();
    open({ goneLength: 1_000 });
    commit({ kind: "queue", argument: { no: 1, address: "/:queue-1", creator: "acme" } });
    for (let block = 0; block < 10; block++) commit(append(rowsOf(block * 10 + 1, 10)));
    for (let block = 0; block < 10; block++) commit(change(...range(block * 10 + 1, block * 10 + 9).map(end)));
    expect(count("messages")).toBeGreaterThan(4);
    expect(count("blocks") + count("messages")).toBe(10);
    expect(seqsOf(page())).toEqual(range(1, 10).map((block) => block * 10));
    crash({ goneLength: 1_000 });
    expect(seqsOf(page())).toEqual(range(1, 10).map((block) => block * 10));
  });

  it("stays where it is while little lies about", () => {
    for (let block = 0; block < 10; block++) commit(append(rowsOf(block * 10 + 1, 10)));
    for (let block = 0; block < 10; block++) commit(change(...range(block * 10 + 1, block * 10 + 9).map(end)));
    expect([count("messages"), count("blocks")]).toEqual([0, 10]);
  });

  it("may have been out there, too, if it was in memory as it was stored", () => {
    const limits = { goneLength: -Infinity };
    crash(limits);
    commit(append(range(1, 20).map((seq) => rowOf(seq, {}, true))));
    commit(change(...range(1, 19).map(end)));
    expect([count("messages"), count("blocks")]).toEqual([1, 0]);
    crash(limits);
    expect(page()).toMatchObject([{ seq: 20, attempts: 1 }]);
  });
});

test("each of very many lanes in a block finds its own, and no attempt is given twice", () => {
  const lanes = (seq: number): Partial<StoredMessage> => ({ queueNo: 1 + (seq % 3), priority: seq % 10 });
  commit(append(rowsOf(1, 60, lanes).map((row) => ({ ...row, resident: row.message.seq % 2 === 0 }))));
  expect(seqsOf(page(0, 2, 1))).toEqual([1, 31]);
  expect(seqsOf(page(1, 2, 1))).toEqual([31]);
  crash();
  const all = [1, 2, 3].flatMap((queueNo) => range(0, 9).flatMap((priority) => page(0, queueNo, priority)));
  expect(seqsOf(all).sort((left, right) => left - right)).toEqual(range(1, 60));
  for (const { seq, attempts } of all)
    if (seq % 2 === 0 || seq === 1 || seq === 31) expect([seq, attempts > 0]).toEqual([seq, true]);
  expect([count("blocks"), count("messages")]).toEqual([1, 0]);
});

describe("a run of contents", () => {
  const long = (seq: number): Partial<StoredMessage> => ({ payload: JSON.stringify(`${seq}`.repeat(200)) });
  const runs = (): number[] =>
    database.prepare("SELECT first_seq FROM block_runs ORDER BY 1").pluck().all() as number[];

  beforeEach(() => commit(append(rowsOf(1, 60, long))));

  it.each([
    ["is damaged", "UPDATE block_runs SET text = replace(text, 'm', 'n') WHERE first_seq = ?"],
    ["is another one's", "UPDATE block_runs SET text = (SELECT text FROM block_runs LIMIT 1) WHERE first_seq = ?"],
    ["is bytes, no text", "UPDATE block_runs SET text = CAST(text AS BLOB) WHERE first_seq = ?"],
    ["is missing", "DELETE FROM block_runs WHERE first_seq = ?"],
  ])("that %s is served to nobody, and hinders no other", (_what, sql) => {
    const [, second = 0, third = 0] = runs();
    database.prepare(sql).run(second);
    expect(seqsOf(page(0, 1, 4, second - 1))).toEqual(range(1, second - 1));
    expect(() => page(second - 1, 1, 4, 1)).toThrow(/is not what was stored/);
    expect(seqsOf(page(third - 1))).toEqual(range(third, 60));
  });

  it("goes with the last message of its block", () => {
    expect(runs().length).toBeGreaterThan(4);
    commit(change(...range(1, 59).map(end)));
    expect(page().map(({ seq, payload }) => [seq, payload])).toEqual([[60, long(60).payload]]);
    commit(change(end(60)));
    expect(runs()).toEqual([]);
  });
});

test.each([
  ["heads", "UPDATE blocks SET heads = zeroblob(length(heads))"],
  ["checks", "UPDATE blocks SET heads_check = heads_check + 1"],
  ["gone", "UPDATE block_states SET gone = zeroblob(length(gone))"],
  ["state_check", "UPDATE block_states SET state_check = state_check + 1"],
  ["attempts", "UPDATE block_states SET attempts = zeroblob(40)"],
])("a start on a block whose %s are not what was stored is refused", (_what, sql) => {
  commit(append(rowsOf(1, 10)));
  commit(change(end(3)));
  database.exec(sql);
  expect(() => crash()).toThrow(/is not what was stored/);
  open();
});
