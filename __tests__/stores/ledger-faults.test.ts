/** A journal that refuses one call: nothing may have changed, and the next try must find everything in its place. */
import { queueAddress, roomAddress } from "../../src/queue/message";
import type { LedgerStore } from "../../src/stores/ledger/ledger-store";
import { message, numbered } from "../conformance/store-in-suite";
import { rulesWith } from "../support/rules";
import { auditLedger } from "./ledger-audit";
import { LedgerUnderTest, NOW, failed, queue, settling, turn } from "./ledger-under-test";
import type { SlowJournal } from "./slow-journal";

const ack = { action: "ack" } as const;
const poisoned = { action: "dead", reason: "refused", error: "poison" } as const;

let ledger: LedgerUnderTest;
let journal: SlowJournal;
let store: LedgerStore;

async function open(...settings: Parameters<typeof LedgerUnderTest.open>): Promise<void> {
  ledger = await LedgerUnderTest.open(...settings);
  ({ journal, store } = ledger);
}

beforeEach(() => open());

afterEach(async () => {
  await turn();
  auditLedger(store);
});

const rejected = { status: "rejected", reason: failed };

test("a refused append leaves no trace", async () => {
  await open({ laneWindow: 2 });
  const batch = [...numbered(5), message("delayed", { dueAt: NOW + 1_000 })];
  expect(await ledger.whileFailing(() => store.append(batch))).toMatchObject(rejected);
  expect(await store.stats(queue)).toMatchObject({ ready: 0, delayed: 0, bytes: 0 });
  expect(await store.append(batch)).toMatchObject(batch.map(() => ({ status: "stored" })));
  expect(await ledger.drain()).toEqual(numbered(5).map(({ id }) => id));
});

test("where an append is refused, what was not let in hears its own reason, and not the journal's", async () => {
  await open({ rules: rulesWith({ maxMessages: 2 }) });
  await store.append(numbered(2));
  const batch = [message("too many"), message("b", { target: queueAddress("/", "elsewhere") })];
  expect(await ledger.whileFailing(() => store.append(batch))).toMatchObject({
    status: "fulfilled",
    value: [{ error: { code: "QUEUE_FULL" } }, { error: failed }],
  });
  expect(await store.append(batch)).toMatchObject([{ error: { code: "QUEUE_FULL" } }, { status: "stored" }]);
});

test.each([
  ["ack", ack],
  ["retry", { action: "retry", dueAt: NOW + 1_000, error: "failed" }],
  ["dead letter", poisoned],
] as const)("after a refused %s the delivery is still its holder's", async (_what, settlement) => {
  await store.append([message("a")]);
  const delivery = await ledger.takeOne();
  expect(await ledger.whileFailing(() => store.settle([settling(delivery, settlement)]))).toMatchObject(rejected);
  expect(await store.stats(queue)).toMatchObject({ ready: 0, leased: 1, delayed: 0, dead: 0 });
  expect(delivery.message).toMatchObject({ failures: 0, lastError: undefined });
  expect(await store.settle([settling(delivery, settlement)])).toEqual(["done"]);
});

test("what could not be written to go on from the attempts of another message of its id is not given out", async () => {
  const [north, south, inbox] = [roomAddress("/", "north"), roomAddress("/", "south"), queueAddress("/", "@ada")];
  for (const room of [north, south]) await store.join(room, inbox, undefined, "client");
  await store.append([message("a", { target: north })]);
  await store.settle([settling(await ledger.takeOne(inbox), ack)]);
  await store.append([message("a", { target: south }), message("b", { target: south })]);

  const taken = await ledger.whileFailing(() => ledger.take(10, inbox));
  expect(taken).toMatchObject({ status: "fulfilled", value: [{ message: { id: "b" } }] });
  expect(await store.stats(inbox)).toMatchObject({ ready: 1, leased: 1 });
  expect(await ledger.take(10, inbox)).toMatchObject([{ message: { id: "a" }, attempt: 2 }]);
});

test("a page that could not be read is read when it is asked for again", async () => {
  await open({ laneWindow: 2 });
  await store.append(numbered(10));
  await ledger.whileFailing(() => ledger.take());
  expect(await ledger.takeAll()).toEqual(
    numbered(10)
      .map(({ id }) => id)
      .slice(2),
  );
});

test("so is what waits for its group", async () => {
  await store.append(numbered(400, { group: "g" }));
  const first = await ledger.takeOne();
  await ledger.take();
  await ledger.whileFailing(() => ledger.take());
  await store.settle([settling(first, ack)]);
  expect(await ledger.drain()).toEqual(
    numbered(400)
      .map(({ id }) => id)
      .slice(1),
  );
});

describe("an end of a time to live that is refused", () => {
  const mortal = { expiresAt: NOW + 10 };
  const ends = (): Promise<unknown> => store.expire(NOW + 10);

  test("is tried again for what waits for its group on disk, whose group passes on meanwhile", async () => {
    await store.append([
      message("g0", { group: "g" }),
      ...numbered(140, { group: "g" }),
      message("mortal", { group: "g", ...mortal }),
    ]);
    const first = await ledger.takeOne();
    await ledger.take();
    journal.holding = true;
    journal.failing = true;
    const ending = expect(ends()).rejects.toMatchObject(failed);
    await journal.answer();
    journal.failing = false;
    journal.holding = false;
    await ending;
    expect(await store.stats(queue)).toMatchObject({ ready: 141, leased: 1, expired: 0 });
    await store.settle([settling(first, ack)]);
    await ends();
    expect(await store.stats(queue)).toMatchObject({ ready: 140, expired: 1 });
    expect(await ledger.drain(queue, NOW + 10)).toHaveLength(140);
  });

  test("is tried again for the last that waits for a group that is done", async () => {
    await store.append([message("g0", { group: "g" }), ...numbered(130, { group: "g", ...mortal })]);
    const first = await ledger.takeOne();
    await ledger.take();
    const refused = refusing("change");
    await Promise.allSettled([ends(), store.settle([settling(first, ack)]).catch(() => {})]);
    refused.end();
    expect(await store.stats(queue)).toMatchObject({ ready: 130, expired: 0 });
    await ends();
    expect(await store.stats(queue)).toMatchObject({ ready: 0, expired: 130 });
    await store.append([message("after", { group: "g" })]);
    await store.settle([settling(first, ack)]);
    expect(await ledger.drain(queue, NOW + 10)).toEqual(["after"]);
  });

  test("does not strand a group whose next message has still to be read", async () => {
    await store.append([message("g0", { group: "g" }), ...numbered(130, { group: "g", ...mortal })]);
    const first = await ledger.takeOne();
    await ledger.take();
    const fetches = refusing("fetch");
    await store.settle([settling(first, ack)]);
    const taken = await ledger.drain();
    fetches.end();
    const left = (await store.stats(queue)).ready;
    expect(left).toBeGreaterThan(0);
    const changes = refusing("change");
    journal.holding = true;
    const ending = expect(ends()).rejects.toMatchObject(failed);
    await journal.answer(1);
    await ledger.take(0);
    await journal.answer();
    changes.end();
    journal.holding = false;
    await ending;
    expect([...taken, ...(await ledger.drain())]).toEqual(numbered(130).map(({ id }) => id));
  });

  test("does not keep others from their turn", async () => {
    await open({ laneWindow: 2 });
    await store.append([...numbered(10, mortal), message("kept")]);
    const refused = refusing("change");
    await expect(ends()).rejects.toMatchObject(failed);
    refused.end();
    await ends();
    await turn();
    expect(await store.stats(queue)).toMatchObject({ ready: 1, expired: 10 });
    expect(await ledger.drain(queue, NOW + 10)).toEqual(["kept"]);
  });
});

test("a refused look at what is due changes nothing", async () => {
  await store.append([message("a", { dueAt: NOW + 10 })]);
  expect(await ledger.whileFailing(() => store.expire(NOW + 10))).toMatchObject(rejected);
  expect(await store.stats(queue)).toMatchObject({ ready: 0, delayed: 1 });
  await store.expire(NOW + 10);
  expect(await store.stats(queue)).toMatchObject({ ready: 1, delayed: 0 });
});

describe("of a queue that drops its oldest", () => {
  const dropping = { rules: rulesWith({ overflow: "drop-oldest", maxMessages: 4 }) };

  test("a refused drop puts back what was to go, and the next message tries again", async () => {
    await open(dropping);
    await store.append([message("mortal", { expiresAt: NOW + 10 }), ...numbered(3)]);
    const refused = refusing("change");
    await store.append([message("a")]);
    await turn();
    refused.end();
    expect(await store.stats(queue)).toMatchObject({ ready: 5, dead: 0 });
    await store.expire(NOW + 10);
    expect(await store.stats(queue)).toMatchObject({ ready: 4, dead: 0, expired: 1 });
    await store.append([message("b")]);
    await turn();
    expect(await store.stats(queue)).toMatchObject({ ready: 4, dead: 1 });
    expect(await ledger.drain(queue, NOW + 10)).toEqual(["m0001", "m0002", "a", "b"]);
  });

  test("what had to be read first goes as soon as it is read", async () => {
    await open({ ...dropping, laneWindow: 0 });
    await store.append(numbered(4));
    journal.holding = true;
    const appending = store.append([message("a")]);
    await journal.answer(1);
    await appending;
    expect(await store.stats(queue)).toMatchObject({ ready: 5, dead: 0 });
    await journal.answer();
    expect(await store.stats(queue)).toMatchObject({ ready: 4, dead: 1 });
    journal.holding = false;
    expect(await ledger.drain()).toEqual(["m0001", "m0002", "m0003", "a"]);
  });
});

describe("dead letters", () => {
  beforeEach(async () => {
    await open({ rules: rulesWith({ maxDeadLetters: 5 }) });
    await store.append(numbered(5));
    for (const delivery of await ledger.take()) await store.settle([settling(delivery, poisoned)]);
  });

  test("stay where they are when their redrive or purge is refused", async () => {
    expect(await ledger.whileFailing(() => store.redrive(queue, {}, NOW, 0))).toMatchObject(rejected);
    expect(await ledger.whileFailing(() => store.purge(queue, {}))).toMatchObject(rejected);
    expect(await store.stats(queue)).toMatchObject({ ready: 0, dead: 5, purged: 0, bytes: 0 });
    expect(await store.redrive(queue, { limit: 2 }, NOW, 0)).toBe(2);
    expect(await store.purge(queue, {})).toBe(3);
    expect(await ledger.drain()).toEqual(["m0000", "m0001"]);
  });

  test("past their number are purged by the next death, when their purge is refused", async () => {
    const die = async (id: string): Promise<void> => {
      await store.append([message(id)]);
      const delivery = await ledger.takeOne();
      journal.holding = true;
      const settled = store.settle([settling(delivery, poisoned)]);
      journal.failing = id === "a";
      await journal.answer(1);
      await settled;
      await journal.answer();
      journal.failing = false;
      journal.holding = false;
    };
    await die("a");
    expect(await store.stats(queue)).toMatchObject({ dead: 6, purged: 0 });
    await die("b");
    await turn();
    expect(await store.stats(queue)).toMatchObject({ dead: 5, purged: 2 });
  });

  test("that die while others are put back wait for the next redrive", async () => {
    await open();
    await store.append(numbered(2_500));
    const dead = (await ledger.take()).map((delivery) => settling(delivery, poisoned));
    await store.settle(dead);
    journal.holding = true;
    const redriving = store.redrive(queue, {}, NOW, 0);
    await journal.answer(1);
    const [again] = await ledger.take(1);
    if (again === undefined) throw new Error("nothing was leased");
    const dying = store.settle([settling(again, poisoned)]);
    await journal.answer();
    await dying;
    expect(await redriving).toBe(2_500);
    journal.holding = false;
    expect(await store.stats(queue)).toMatchObject({ ready: 2_499, dead: 1 });
  });
});

test("a room's message that is refused is in no inbox", async () => {
  const [ada, bob] = ["@ada", "@bob"].map((name) => queueAddress("/", name));
  if (ada === undefined || bob === undefined) throw new Error("there are two");
  const room = { target: queueAddress("/", "room:north") };
  for (const inbox of [ada, bob]) await store.join(room.target as never, inbox, undefined, "client");
  expect(await ledger.whileFailing(() => store.append([message("a", room)]))).toMatchObject(rejected);
  for (const inbox of [ada, bob]) expect(await store.stats(inbox)).toMatchObject({ ready: 0, bytes: 0 });
});

/** Has the journal refuse calls of one kind, and nothing else. */
function refusing(kind: "change" | "fetch"): { end(): void } {
  const carryOut = journal[kind] as (given: never) => Promise<unknown>;
  const refuse = (given: never): Promise<unknown> => {
    journal.failing = true;
    const outcome = carryOut(given);
    journal.failing = false;
    return outcome;
  };
  Object.assign(journal, { [kind]: refuse });
  return { end: () => void Object.assign(journal, { [kind]: carryOut }) };
}
