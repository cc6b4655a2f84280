/** What waits in long lines: one group at the head of a queue, and much that becomes due at once. Memory is counted, not guessed. */
import type { Delivery, NewMessage } from "../../src/queue/message";
import type { LedgerStore } from "../../src/stores/ledger/ledger-store";
import type { StoreSettings } from "../../src/stores/open-store";
import { SqliteInProcess } from "../conformance/sqlite-in-process";
import { LEASE_MS, NOW, SUITE_SETTINGS, SetClock, ack, message, queue, settling } from "../conformance/store-in-suite";
import { rulesWith } from "../support/rules";
import { auditLedger } from "./ledger-audit";

const SETTINGS: StoreSettings = {
  ...SUITE_SETTINGS,
  rules: rulesWith({ maxMessages: 1_000_000 }),
  dedupMaxIds: 1_000_000,
  residentBytes: 512 * 1024,
  laneWindow: 256,
};
/** Beyond its budget a store may hold the page that it reads, and what is next of a group. */
const BOUND_BYTES = SETTINGS.residentBytes + 2 ** 20;

let subject: SqliteInProcess;
let store: LedgerStore;
let hinted = (): void => {};
let mostBytes = 0;

beforeEach(async () => {
  subject = new SqliteInProcess();
  mostBytes = 0;
  use(await subject.open(SETTINGS, new SetClock()));
});

afterEach(async () => {
  auditLedger(store);
  expect(mostBytes).toBeLessThan(BOUND_BYTES);
  await subject.cleanUp();
});

function use(opened: LedgerStore): void {
  store = opened;
  store.onHint(() => hinted());
}

function notice(): void {
  mostBytes = Math.max(mostBytes, store["ledger"].budget["bytes"]);
}

async function publish(count: number, fields: Partial<NewMessage>, idOf: (index: number) => string): Promise<void> {
  for (let from = 0; from < count; from += 5_000) {
    const batch = Array.from({ length: Math.min(5_000, count - from) }, (_, at) => message(idOf(from + at), fields));
    await store.append(batch);
    notice();
  }
}

/** Leases until so many are out, however much has to be read for it. */
async function lease(count: number, now = NOW): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  while (deliveries.length < count) {
    const hint = new Promise<void>((resolve) => (hinted = resolve));
    const requests = [{ holder: "h1", client: "c", limit: count - deliveries.length, limitBytes: 1e9 }];
    const more = await store.lease(queue, requests, now, LEASE_MS);
    notice();
    deliveries.push(...more);
    if (more.length === 0) await hint;
    notice();
  }
  return deliveries;
}

async function takeOne(now = NOW): Promise<Delivery> {
  const [delivery] = await lease(1, now);
  if (!delivery) throw new Error("nothing was leased");
  return delivery;
}

async function ackOne(now = NOW): Promise<string> {
  const delivery = await takeOne(now);
  await store.settle([settling(delivery, ack)]);
  return delivery.message.id;
}

async function ackAll(deliveries: readonly Delivery[]): Promise<string[]> {
  await store.settle(deliveries.map((delivery) => settling(delivery, ack)));
  return deliveries.map((delivery) => delivery.message.id);
}

const ids = (prefix: string, from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, at) => `${prefix}${from + at}`);

test("200,000 messages of one group at the head of a queue hold up no other, and keep their order", async () => {
  const GROUP = 200_000;
  const mortal = { group: "g", expiresAt: NOW + 1_000 };
  await publish(1_000, { group: "g" }, (index) => `g${index}`);
  await publish(500, mortal, (index) => `mortal${index}`);
  await publish(GROUP - 1_500, { group: "g" }, (index) => `g${1_000 + index}`);
  await publish(1_000, {}, (index) => `other${index}`);

  let holder = await takeOne();
  expect(holder.message.id).toBe("g0");
  expect(await ackAll(await lease(999))).toEqual(ids("other", 0, 999));
  // All of the group is parked now: what comes next has nothing to get past.
  const reads = countReads();
  await store.append([message("late")]);
  expect(await ackAll(await lease(2))).toEqual(["other999", "late"]);
  expect(reads()).toBeLessThan(3);
  expect(await store.stats(queue)).toMatchObject({ ready: GROUP - 1, leased: 1 });
  expect(store["ledger"].budget["bytes"]).toBeLessThan(100_000);

  // Its holder fails: the others wait for it, also while it is delayed.
  await store.settle([settling(holder, { action: "retry", dueAt: NOW + 500, error: "failed" })]);
  await store.append([message("meanwhile")]);
  expect(await ackOne()).toBe("meanwhile");
  await store.expire(NOW + 500);
  holder = await takeOne(NOW + 500);
  expect(holder.message.id).toBe("g0");
  await store.settle([settling(holder, ack)]);
  for (const id of ids("g", 1, 700)) expect(await ackOne(NOW + 500)).toBe(id);

  // Those of them that expire do so where they wait.
  const out = await takeOne(NOW + 500);
  await store.expire(NOW + 1_000);
  expect(await store.stats(queue)).toMatchObject({ ready: GROUP - 1_201, expired: 500 });
  await store.settle([settling(out, { action: "retry", dueAt: undefined, error: "failed" })]);
  for (const id of ids("g", 700, 1_200)) expect(await ackOne(NOW + 1_000)).toBe(id);
}, 60_000);

test("they do so after a crash and after a close", async () => {
  await publish(30_000, { group: "g" }, (index) => `g${index}`);
  await publish(100, {}, (index) => `other${index}`);
  let next = 0;
  for (const how of ["crashed", "closed"] as const) {
    use(await subject.reopen(how));
    const first = await takeOne();
    expect(first.message.id).toBe(`g${next}`);
    expect(await ackAll(await lease(10))).toEqual(ids("other", next / 50, next / 50 + 10));
    await store.settle([settling(first, ack)]);
    for (const id of ids("g", next + 1, next + 500)) expect(await ackOne()).toBe(id);
    next += 500;
  }
  expect(await store.stats(queue)).toMatchObject({ ready: 29_000 + 80, leased: 0 });
}, 60_000);

test("20,000 messages that become due at once come out in order, whatever their size, within bounded memory", async () => {
  const dueAt = NOW + 1_000;
  const sizes = [900, 20, 400];
  for (let from = 0; from < 20_000; from += 5_000) {
    await store.append(
      Array.from({ length: 5_000 }, (_, at) =>
        message(`m${from + at}`, { dueAt, payload: JSON.stringify("x".repeat(sizes[at % 3] ?? 0)) }),
      ),
    );
  }
  await publish(100, {}, (index) => `before${index}`);
  // A consumer takes what there is whenever there is something, as a dispatcher would.
  const seen: string[] = [];
  const looking = store.expire(dueAt);
  while (seen.length < 20_100) seen.push(...(await ackAll(await lease(Math.min(500, 20_100 - seen.length), dueAt))));
  await looking;
  expect(seen.filter((id) => id.startsWith("before"))).toEqual(ids("before", 0, 100));
  expect(seen.filter((id) => id.startsWith("m"))).toEqual(ids("m", 0, 20_000));
}, 60_000);

/** Counts how often the store reads messages from its file from now on. */
function countReads(): () => number {
  const { journal } = store["ledger"];
  let reads = 0;
  const { page, fetch } = journal;
  journal.page = (...given) => (reads++, page.apply(journal, given));
  journal.fetch = (...given) => (reads++, fetch.apply(journal, given));
  return () => reads;
}
