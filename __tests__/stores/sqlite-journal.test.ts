/** What the journal makes of the answers of a worker that fails, or is lost. */
import { queueAddress } from "../../src/queue/message";
import type { AppendRow } from "../../src/stores/ledger/journal";
import { MemoryBudget } from "../../src/stores/ledger/memory-budget";
import { QueueState } from "../../src/stores/ledger/queue-state";
import { RoomCopies } from "../../src/stores/ledger/room-copies";
import type { Answer, Post } from "../../src/stores/sqlite/calls";
import { SqliteJournal } from "../../src/stores/sqlite/sqlite-journal";
import type { StorageWorker, WorkerListener } from "../../src/stores/sqlite/storage-thread";
import { ManualClock, settled } from "../queue/manual-clock";
import { storedMessage } from "./stored-message";

/** A worker that keeps nothing, and answers when it is told to. */
class ScriptedWorker implements StorageWorker {
  readonly posts: Post[] = [];
  listener: WorkerListener | undefined;

  post(calls: Post): void {
    this.posts.push(calls);
  }

  attach(listener: WorkerListener): void {
    this.listener = listener;
  }

  answer(answer: Answer): void {
    this.listener?.answered(answer);
  }
}

const STORE_UNAVAILABLE = { code: "STORE_UNAVAILABLE", retryable: true };
const lost = jest.fn();

let worker: ScriptedWorker;
let journal: SqliteJournal;

beforeEach(() => {
  lost.mockClear();
  worker = new ScriptedWorker();
  journal = new SqliteJournal(worker, new ManualClock(), lost);
});

const row = (seq: number, dueAt?: number): AppendRow => ({
  message: storedMessage(seq),
  dueAt,
  isDueFixed: false,
  resident: dueAt === undefined,
});
const rows = (from: number, count: number): AppendRow[] => Array.from({ length: count }, (_, at) => row(from + at));

/** What became of each call so far. */
function watch(...calls: Promise<unknown>[]): unknown[] {
  const outcomes: unknown[] = calls.map(() => "waiting");
  for (const [index, call] of calls.entries()) {
    call.then(
      () => (outcomes[index] = "done"),
      (error: { code: string; retryable: boolean }) => {
        outcomes[index] = { code: error.code, retryable: error.retryable };
      },
    );
  }
  return outcomes;
}

test("nothing is answered before the worker has answered", async () => {
  const outcomes = watch(journal.append([row(1)]), journal.leave(1, 2));
  await settled();
  expect(outcomes).toEqual(["waiting", "waiting"]);
  expect(worker.posts.map((post) => post.map(({ kind }) => kind))).toEqual([["append", "leave"]]);
  worker.answer({ results: [[], null] });
  await settled();
  expect(outcomes).toEqual(["done", "done"]);
});

test("a commit that failed is an error to all that were in it, and to nobody else", async () => {
  const outcomes = watch(journal.append([row(1)]), journal.leave(1, 2));
  await settled();
  const next = watch(journal.append([row(1)]));
  await settled();
  worker.answer({ failed: "the disk is on fire", count: 2, isFull: false });
  await settled();
  expect(outcomes).toEqual([STORE_UNAVAILABLE, STORE_UNAVAILABLE]);
  expect(next).toEqual(["waiting"]);
  worker.answer({ results: [[]] });
  await settled();
  expect(next).toEqual(["done"]);
  expect(lost).not.toHaveBeenCalled();
});

test("a worker that is lost is an error to all that wait, and to all that come", async () => {
  const waiting = watch(journal.append([row(1)]), journal.probe());
  await settled();
  worker.listener?.broke(new Error("out of memory"));
  await settled();
  expect(waiting).toEqual([STORE_UNAVAILABLE, STORE_UNAVAILABLE]);
  expect(lost).toHaveBeenCalledTimes(1);
  const posts = worker.posts.length;
  const late = watch(journal.append([row(1)]), journal.change([]));
  await settled();
  expect(late).toEqual([STORE_UNAVAILABLE, STORE_UNAVAILABLE]);
  expect(worker.posts).toHaveLength(posts);
});

test("appends of one turn go as one call, and each hears of its own duplicates only", async () => {
  const appends = Promise.all([journal.append([row(5), row(6)]), journal.append([row(7)]), journal.append([row(8)])]);
  await settled();
  expect(worker.posts.map((post) => post.map(({ kind }) => kind))).toEqual([["append"]]);
  worker.answer({ results: [[1, 2, 2, 3]] });
  const [first = [], second = [], third = []] = await appends;
  expect([first[0] ?? 0, first[1], second[0], third[0] ?? 0]).toEqual([0, 2, 3, 0]);
});

test("many of one turn go in blocks, what is delayed apart from them, and each hears of its own duplicates only", async () => {
  const appends = Promise.all([
    journal.append([...rows(1, 5), row(6, 99)]),
    journal.append([...rows(7, 9), row(16, 99)]),
  ]);
  await settled();
  const kinds = worker.posts.map((post) => post.map(({ kind }) => kind));
  expect(kinds).toEqual([["append", "append", "appendBlocks", "append"]]);
  worker.answer({
    results: [
      [4, 71],
      [0, 72],
      [0, 73, 8, 74],
      [0, 75],
    ],
  });
  expect(await appends).toEqual([
    [0, 0, 0, 0, 71, 72],
    [73, 0, 0, 0, 0, 0, 0, 0, 74, 75],
  ]);
});

test("calls that are answered together resolve in the order in which they were made, whatever they carry", async () => {
  const order: string[] = [];
  const note = (name: string, call: Promise<unknown>): void => void call.then(() => order.push(name));
  note("plain", journal.append(rows(1, 9)));
  note("page", journal.page(1, 4, 0, 10, 1_000));
  note("mixed", journal.append([...rows(10, 9), row(19, 99), ...rows(20, 2)]));
  note("fetch", journal.fetch([1], 1_000));
  note("change", journal.change([]));
  note("duplicate", journal.append([row(22)]));
  note("leave", journal.leave(1, 2));
  await settled();
  const nothing = { numbers: new Float64Array(), pieces: [] };
  worker.answer({ results: [[], nothing, [], [], [], { messages: nothing, read: 1 }, null, [0, 5], null] });
  await settled();
  expect(order).toEqual(["plain", "page", "mixed", "fetch", "change", "duplicate", "leave"]);
});

test("what a room's copies bring with them is answered over several turns, in the order of the calls", async () => {
  const queue = new QueueState(2, queueAddress("/", "@ada"), new MemoryBudget(0));
  const inboxes = { queues: Array.from({ length: 10_000 }, () => queue), numbers: new Float64Array(10_000).fill(2) };
  const message = storedMessage(1);
  const copies = new RoomCopies(message, "north", inboxes, []);
  const append = () => journal.append([{ message, dueAt: undefined, isDueFixed: false, copies }]);
  const first = watch(append(), journal.probe());
  await settled();
  const second = watch(append());
  await settled();
  worker.answer({ results: [[], null] });
  worker.answer({ results: [[]] });
  // All that follows in the same turn.
  for (let step = 0; step < 10; step++) await Promise.resolve();
  expect([...first, ...second]).toEqual(["done", "waiting", "waiting"]);
  await settled();
  expect([...first, ...second]).toEqual(["done", "done", "done"]);
});

test.each([
  ["damage", { damaged: "message 7 is not what was stored" }, { name: "DamagedError" }],
  ["a sync that failed", { lost: "the disk did not confirm a commit" }, { name: "Error" }],
])("%s is the end of the store: all that wait are refused, and all that come", async (_what, answer, error) => {
  const waiting = watch(journal.append([row(1)]));
  await settled();
  const next = watch(journal.append([row(2)]));
  await settled();
  worker.answer(answer);
  await settled();
  const late = watch(journal.probe());
  await settled();
  expect([...waiting, ...next, ...late]).toEqual([STORE_UNAVAILABLE, STORE_UNAVAILABLE, STORE_UNAVAILABLE]);
  expect(lost.mock.calls).toMatchObject([[error]]);
});
