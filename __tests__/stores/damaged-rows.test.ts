/** A byte of a stored message turns over: whoever reads it is refused, and nobody is ever given it. */
import type { Delivery } from "../../src/queue/message";
import type { Journal } from "../../src/stores/ledger/journal";
import type { LedgerStore } from "../../src/stores/ledger/ledger-store";
import { SqliteInProcess } from "../conformance/sqlite-in-process";
import {
  LEASE_MS,
  NOW,
  SUITE_SETTINGS,
  SetClock,
  ada,
  again,
  message,
  numbered,
  poisoned,
  queue,
  room,
  settling,
} from "../conformance/store-in-suite";
import { turn } from "./ledger-under-test";

const NEEDLE = "a text that nothing else has in it";
const needle = { payload: JSON.stringify(NEEDLE) };

let subject: SqliteInProcess;
let store: LedgerStore;

beforeEach(async () => {
  subject = new SqliteInProcess();
  subject.mayBeLost = true;
  store = await subject.open(SUITE_SETTINGS, new SetClock());
});

afterEach(() => subject.cleanUp());

async function takeOne(): Promise<Delivery> {
  const [delivery] = await store.lease(queue, [{ holder: "h", client: "c", limit: 1, limitBytes: 1 }], NOW, LEASE_MS);
  if (!delivery) throw new Error("nothing was leased");
  return delivery;
}

/** The file with one bit of the message's text turned over, wherever it stands: what was deleted is still there. */
function damaged(image: Buffer): Buffer {
  const other = Buffer.from(image);
  let found = 0;
  for (let at = image.indexOf(NEEDLE); at >= 0; at = image.indexOf(NEEDLE, at + 1), found++) {
    other[at + 3] = (other[at + 3] ?? 0) ^ 1;
  }
  if (found === 0) throw new Error("the message is not in the file");
  return other;
}

const READS: readonly [string, () => Promise<unknown>, (journal: Journal) => Promise<unknown>][] = [
  ["waits", () => store.append([message("a", needle)]), (journal) => journal.page(1, 4, 0, 10, 1e9)],
  ["waits in a block", publishMany, (journal) => journal.page(1, 4, 0, 100, 1e9)],
  ["waits in a block for its group", publishMany, (journal) => journal.fetch([5], 1e9)],
  ["is looked for in a block", publishMany, (journal) => journal.find("a", 1, 0, 100)],
  ["waits for its group", () => store.append([message("a", needle)]), (journal) => journal.fetch([1], 1e9)],
  ["is looked for", () => store.append([message("a", needle)]), (journal) => journal.find("a", 1, 0, 10)],
  ["becomes due", () => store.append([message("a", { ...needle, dueAt: NOW })]), (journal) => journal.due(NOW, 10)],
  ["is in a room's history", publishToRoom, (journal) => journal.page(2, 4, 0, 10, 1e9)],
  ["is a dead letter that is shown", bury, (journal) => journal.deadLetters(1, {}, 10, 0)],
  ["is a dead letter that is put back", bury, (journal) => journal.redrive(1, {}, 0, 10, undefined)],
  ["is a dead letter that is purged", bury, (journal) => journal.purge(1, {}, 10)],
];

/** So many at once as share a row. */
async function publishMany(): Promise<void> {
  await store.append([
    ...numbered(10),
    message("a", needle),
    ...numbered(10).map((each) => ({ ...each, id: `x${each.id}` })),
  ]);
}

async function publishToRoom(): Promise<void> {
  await store.append([message("a", { target: room, ...needle })]);
  await store.join(room, ada, "all", "client");
}

async function bury(): Promise<void> {
  await store.append([message("a", needle)]);
  await store.settle([settling(await takeOne(), poisoned)]);
}

test.each(READS)("what %s is refused when it is not what was stored", async (_what, put, read) => {
  await put();
  const { image } = subject;
  await subject.cleanUp();
  store = await subject.openImage(damaged(image));
  await expect(read(store["ledger"].journal)).rejects.toThrow(/is not what was stored/);
  await subject.cleanUp();
  store = await subject.openImage(image);
  await expect(read(store["ledger"].journal)).resolves.toBeDefined();
});

test("no consumer is given it, and nothing in its place", async () => {
  await store.append([message("first"), message("damaged", needle), message("last")]);
  await store.settle([settling(await takeOne(), again)]);
  const { image } = subject;
  await subject.cleanUp();
  store = await subject.openImage(damaged(image));
  for (let round = 0; round < 5; round++) {
    const wish = { holder: "h", client: "c", limit: 10, limitBytes: 1e9 };
    expect(await store.lease(queue, [wish], NOW, LEASE_MS)).toEqual([]);
    await turn();
  }
  expect(await store.stats(queue)).toMatchObject({ ready: 3, leased: 0 });
  await expect(store.trace("damaged", "/", queue)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
});
