/** Messages to rooms that are taken in bit by bit: others come in between, the order stays. */
import { queueAddress, roomAddress } from "../../src/queue/message";
import type { LedgerStore } from "../../src/stores/ledger/ledger-store";
import { message } from "../conformance/store-in-suite";
import { auditLedger } from "./ledger-audit";
import { LedgerUnderTest, NOW, failed, turn } from "./ledger-under-test";

const MEMBERS = 40;
const room = roomAddress("/", "north");
const inboxes = Array.from({ length: MEMBERS }, (_, index) => queueAddress("/", `@member-${index}`));
const newcomer = queueAddress("/", "@newcomer");
const [ada = newcomer] = inboxes;

/** More copies than are taken in in a row. */
const batch = Array.from({ length: 300 }, (_, index) => message(`m${index}`, { target: room }));
const ids = batch.map(({ id }) => id);

let ledger: LedgerUnderTest;
let store: LedgerStore;

beforeEach(async () => {
  ledger = await LedgerUnderTest.open();
  ({ store } = ledger);
  for (const inbox of inboxes) await store.join(room, inbox, undefined, "client");
});

afterEach(async () => {
  await turn();
  auditLedger(store);
});

const stored = { status: "stored" };

test("a large batch leaves turns to others, and is stored as a whole", async () => {
  const appended = store.append(batch);
  await turn();
  const { ready: meanwhile } = await store.stats(ada);
  expect(meanwhile).toBeGreaterThan(0);
  expect(meanwhile).toBeLessThan(batch.length);
  expect(await appended).toMatchObject(batch.map(() => stored));
  for (const inbox of inboxes) expect(await store.stats(inbox)).toMatchObject({ ready: batch.length });
  expect(await ledger.drain(ada)).toEqual(ids);
});

test("what comes meanwhile goes behind it, though it is for one inbox alone", async () => {
  const first = store.append(batch);
  const second = store.append([message("direct", { target: ada })]);
  const [[last], results] = [await second, await first];
  const seqs = results.map((result) => ("seq" in result ? result.seq : NaN));
  expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
  expect(last).toMatchObject(stored);
  if (last === undefined || "error" in last) throw new Error("the second was refused");
  expect(last.seq).toBeGreaterThan(Math.max(...seqs) + MEMBERS);
  expect(await ledger.drain(ada)).toEqual([...ids, "direct"]);
});

test("who joins while a batch is taken in hears the rest of it, and its history before, without gap or double", async () => {
  const appended = store.append(batch);
  await turn();
  const { replayed } = await store.join(room, newcomer, "all", "client");
  await appended;
  expect(replayed).toBeGreaterThan(0);
  const heard = await ledger.drain(newcomer);
  // The journal keeps the last 20 of a room.
  expect(heard.length).toBeGreaterThan(20);
  expect(heard).toEqual(ids.slice(-heard.length));
});

test("when a part of a batch cannot be written, that is said of its messages, and of no others", async () => {
  const appended = store.append(batch);
  ledger.journal.failing = true;
  const results = await appended;
  ledger.journal.failing = false;
  const written = results.filter((result) => !("error" in result)).length;
  expect(written).toBeGreaterThan(0);
  expect(results.slice(written)).toMatchObject(batch.slice(written).map(() => ({ error: failed })));
  expect(batch.length - written).toBeGreaterThan(0);
  expect(await ledger.drain(ada)).toEqual(ids.slice(0, written));
  expect(await store.append(batch)).toMatchObject(
    batch.map((_, index) => ({ status: index < written ? "duplicate" : "stored" })),
  );
});

test("a step of the clock finds all of a batch, also what was not taken in yet", async () => {
  const appended = store.append(batch.map((each) => ({ ...each, expiresAt: NOW + 1_000 })));
  await store.moveDeadlines(60_000);
  await appended;
  await store.expire(NOW + 2_000);
  expect(await store.stats(ada)).toMatchObject({ ready: batch.length, expired: 0 });
});

test("a store that is closed meanwhile has all of it", async () => {
  const appended = store.append(batch);
  const closed = store.close();
  // Nothing is written after it.
  ledger.journal.failing = true;
  await closed;
  expect(await appended).toMatchObject(batch.map(() => stored));
});
