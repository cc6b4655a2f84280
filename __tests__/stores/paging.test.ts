/** Many queues whose messages wait on disk and are asked for at once: how much is read, and kept, at a time. */
import { queueAddress, type Delivery, type QueueAddress } from "../../src/queue/message";
import type { LedgerStore } from "../../src/stores/ledger/ledger-store";
import type { StoreSettings } from "../../src/stores/open-store";
import { SqliteInProcess } from "../conformance/sqlite-in-process";
import { LEASE_MS, NOW, SUITE_SETTINGS, SetClock, ack, message, settling } from "../conformance/store-in-suite";
import { rulesWith } from "../support/rules";
import { auditLedger } from "./ledger-audit";

const SETTINGS: StoreSettings = {
  ...SUITE_SETTINGS,
  maxQueues: 1_000,
  maxQueuesPerClient: 1_000,
  rules: rulesWith({ maxMessages: 1_000_000 }),
  residentBytes: 512 * 1024,
};

let subject: SqliteInProcess;
let store: LedgerStore;

beforeEach(() => (subject = new SqliteInProcess()));
afterEach(async () => {
  auditLedger(store);
  await subject.cleanUp();
});

/** Opens a store in which all messages are on disk. @returns its queues. */
async function openWith(queues: number, messages: number, payloadLength: number): Promise<QueueAddress[]> {
  const addresses = Array.from({ length: queues }, (_, at) => queueAddress("/", `queue-${at}`));
  const payload = JSON.stringify("x".repeat(payloadLength));
  store = await subject.open(SETTINGS, new SetClock());
  for (const target of addresses) {
    await store.append(Array.from({ length: messages }, (_, at) => message(`m${at}`, { target, payload })));
  }
  store = await subject.reopen("crashed");
  return addresses;
}

/** @returns ids. */
async function takeFrom(queue: QueueAddress, limit: number): Promise<string[]> {
  const requests = [{ holder: "h1", client: "c", limit, limitBytes: 1e9 }];
  const deliveries = await store.lease(queue, requests, NOW, LEASE_MS);
  await store.settle(deliveries.map((delivery) => settling(delivery, ack)));
  return deliveries.map((delivery) => delivery.message.id);
}

/** Has all queues drained at once, as consumers of each would. @returns ids in their order, of each queue. */
async function drain(queues: readonly QueueAddress[], messages: number, limit: number): Promise<string[][]> {
  const taken = new Map(queues.map((queue): [QueueAddress, string[]] => [queue, []]));
  const isMissing = (queue: QueueAddress): boolean => (taken.get(queue)?.length ?? 0) < messages;
  for (let missing = queues; missing.length > 0; missing = missing.filter(isMissing)) {
    for (const queue of missing) taken.get(queue)?.push(...(await takeFrom(queue, limit)));
    await turn();
  }
  return [...taken.values()];
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function nothingIsRead(): Promise<void> {
  for (let turns = 0; store["paging"]["reading"] > 0; turns++) {
    if (turns === 10_000) throw new Error("it is read for ever");
    await turn();
  }
}

/** Notes what is asked for of the file from now on. */
function watchReads(): { readonly limits: number[]; readonly most: () => number } {
  const { journal } = store["ledger"];
  const limits: number[] = [];
  let reading = 0;
  let most = 0;
  const { page } = journal;
  journal.page = (...given) => {
    const [, , , limit] = given;
    limits.push(limit);
    most = Math.max(most, (reading += limit));
    return page.apply(journal, given).finally(() => (reading -= limit));
  };
  return { limits, most: () => most };
}

const ids = (count: number): string[] => Array.from({ length: count }, (_, at) => `m${at}`);

test("50 queues of 1,000 messages are read a few at a time, and all are read, in order", async () => {
  const queues = await openWith(50, 1_000, 100);
  const { most } = watchReads();
  expect(await drain(queues, 1_000, 200)).toEqual(queues.map(() => ids(1_000)));
  expect(most()).toBeGreaterThan(1_000);
  expect(most()).toBeLessThan(4_096 + 1_024);
}, 60_000);

test("who has to wait is read for later, without asking again", async () => {
  const queues = await openWith(10, 1_000, 100);
  for (const queue of queues) expect(await takeFrom(queue, 1)).toEqual([]);
  await nothingIsRead();
  for (const queue of queues) expect(await takeFrom(queue, 1)).toEqual(["m0"]);
  await nothingIsRead();
});

/** Deals as the hub does: at once when it is hinted at, all that there is, which is acked. @returns how many each queue gave. */
async function dealUntil(
  queues: readonly QueueAddress[],
  isDone: (given: readonly number[]) => boolean,
): Promise<number[][]> {
  const given = new Map(queues.map((queue): [QueueAddress, number] => [queue, 0]));
  const course: number[][] = [];
  const deal = async (queue: QueueAddress): Promise<void> => {
    const count = (await takeFrom(queue, 1_000)).length;
    if (count > 0) course.push([...given.set(queue, (given.get(queue) ?? 0) + count).values()]);
  };
  store.onHint((queue) => void deal(queue));
  for (const queue of queues) void deal(queue);
  for (let turns = 0; !isDone([...given.values()]); turns++) {
    if (turns === 50_000) throw new Error(`they gave no more than ${[...given.values()].join(", ")}`);
    await turn();
  }
  return course;
}

test("queues that are emptied as fast as they are read leave others their turn", async () => {
  const queues = await openWith(6, 5_000, 100);
  const course = await dealUntil(queues, (given) => given.every((count) => count === 5_000));
  const allHaveSome = course.find((given) => given.every((count) => count > 0)) ?? [];
  expect(Math.max(...allHaveSome)).toBeLessThan(3_000);
}, 60_000);

test("many groups of one queue are read a few at a time", async () => {
  const groups = Array.from({ length: 300 }, (_, at) => `g${at}`);
  const [queue] = await openWith(1, 0, 0);
  if (queue === undefined) throw new Error("there is no queue");
  const payload = JSON.stringify("x".repeat(3_000));
  for (let round = 0; round < 60; round++) {
    await store.append(groups.map((group) => message(`m${round}-${group}`, { target: queue, payload, group })));
  }
  store = await subject.reopen("crashed");
  // One of each group is out, all others are set aside for it.
  const requests = [{ holder: "h1", client: "c", limit: 1_000, limitBytes: 1e9 }];
  const out: Delivery[] = [];
  for (let idle = 0; idle < 500; idle++) {
    const more = await store.lease(queue, requests, NOW, LEASE_MS);
    out.push(...more);
    if (more.length > 0) idle = 0;
    await turn();
  }
  expect(out).toHaveLength(groups.length);
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, store["paging"]["reading"])));
  await store.settle(out.map((delivery) => settling(delivery, ack)));
  const rest = 59 * groups.length;
  await dealUntil([queue], ([given = 0]) => {
    most = Math.max(most, store["paging"]["reading"]);
    return given === rest;
  });
  clearInterval(watch);
  expect(most).toBeGreaterThan(1_000);
  expect(most).toBeLessThan(4_096 + 1_024);
}, 60_000);

test("no more is asked for than there is", async () => {
  const queues = await openWith(3, 40, 100);
  const { limits } = watchReads();
  expect(await drain(queues, 40, 200)).toEqual(queues.map(() => ids(40)));
  expect(limits).toEqual([40, 40, 40]);
});

test("100 queues of 10 large messages are read at once within what the memory has room for", async () => {
  const queues = await openWith(100, 10, 50_000);
  for (const queue of queues) expect(await takeFrom(queue, 1)).toEqual([]);
  await nothingIsRead();
  const bytes = store["ledger"].budget["bytes"];
  // Each of them may have a little even so: 64 KiB, and the message that goes past it.
  expect(bytes).toBeGreaterThan(SETTINGS.residentBytes);
  expect(bytes).toBeLessThan(SETTINGS.residentBytes + 100 * (64 * 1024 + 50_000));
  expect(await drain(queues, 10, 10)).toEqual(queues.map(() => ids(10)));
}, 60_000);

test("what could not be read makes room for others all the same, and is read once it can be", async () => {
  const queues = await openWith(10, 1_000, 100);
  subject.failing = true;
  for (const queue of queues) expect(await takeFrom(queue, 1)).toEqual([]);
  await nothingIsRead();
  subject.failing = false;
  for (const queue of queues) {
    expect(await takeFrom(queue, 1)).toEqual([]);
    await nothingIsRead();
    expect(await takeFrom(queue, 1)).toEqual(["m0"]);
  }
  await nothingIsRead();
});
