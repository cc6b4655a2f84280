/** What a ledger makes of a journal that is slow or fails: which the stores themselves show only by chance. */
import { queueAddress, roomAddress, type Delivery } from "../../src/queue/message";
import type { LedgerStore } from "../../src/stores/ledger/ledger-store";
import { message } from "../conformance/store-suite";
import { rulesWith } from "../support/rules";
import { LedgerUnderTest, NOW, failed, queue, settling } from "./ledger-under-test";
import type { SlowJournal } from "./slow-journal";

const room = roomAddress("/", "north");
const ada = queueAddress("/", "@ada");
const ack = { action: "ack" } as const;

let ledger: LedgerUnderTest;
let journal: SlowJournal;
let store: LedgerStore;

async function open(...settings: Parameters<typeof LedgerUnderTest.open>): Promise<void> {
  ledger = await LedgerUnderTest.open(...settings);
  ({ journal, store } = ledger);
}

beforeEach(() => open());

describe("time to live", () => {
  test("ends a message once, also where a page brings it into memory meanwhile", async () => {
    await open({ laneWindow: 0 });
    const backlog = Array.from({ length: 1_025 }, (_, index) => message(`m${index}`));
    await store.append([{ ...message("mortal"), expiresAt: NOW }, ...backlog]);
    store.onHint(() => void ledger.take(0));
    journal.holding = true;
    const expiring = store.expire(NOW);
    await ledger.take();
    await journal.answer(1);
    await ledger.take();
    journal.holding = false;
    await journal.answer();
    await expiring;
    await store.expire(NOW);
    await ledger.takeAll();
    expect(await store.stats(queue)).toMatchObject({ ready: 0, leased: 1_025, expired: 1 });
  });

  test("is looked at again when the end of a message could not be stored", async () => {
    await open({ laneWindow: 1 });
    await store.append([
      message("resident", { expiresAt: NOW }),
      message("on disk", { expiresAt: NOW }),
      message("delayed", { dueAt: NOW + 9_000, expiresAt: NOW }),
    ]);
    journal.holding = true;
    const outcome = expect(store.expire(NOW)).rejects.toMatchObject(failed);
    journal.failing = true;
    await journal.answer();
    await outcome;
    expect(await store.stats(queue)).toMatchObject({ ready: 2, delayed: 1, expired: 0 });
    journal.failing = false;
    journal.holding = false;
    await store.expire(NOW);
    expect(await store.stats(queue)).toMatchObject({ ready: 0, delayed: 0, expired: 3 });
  });

  test("ends a message that was out meanwhile, also if nobody asks for it again", async () => {
    await store.append([message("a", { expiresAt: NOW + 10 })]);
    const delivery = await ledger.takeOne();
    await store.expire(NOW + 10);
    await store.settle([settling(delivery, { action: "retry", dueAt: undefined, error: "failed" })]);
    await store.expire(NOW + 11);
    expect(await store.stats(queue)).toMatchObject({ ready: 0, leased: 0, expired: 1 });
  });

  test("ends replayed history", async () => {
    await store.append([message("a", { target: room, expiresAt: NOW + 10 })]);
    await store.join(room, ada, "all", "client");
    await store.expire(NOW + 10);
    expect(await store.stats(ada)).toMatchObject({ ready: 0, expired: 1 });
  });
});

test("a second ack of a delivery is no better than the first", async () => {
  await store.append([message("a")]);
  const delivery = await ledger.takeOne();
  journal.holding = true;
  journal.failing = true;
  const first = store.settle([settling(delivery, ack)]);
  journal.failing = false;
  const second = store.settle([settling(delivery, ack)]);
  journal.holding = false;
  const outcomes = Promise.allSettled([first, second]);
  await journal.answer();
  expect(await outcomes).toMatchObject([
    { status: "rejected", reason: failed },
    { status: "fulfilled", value: ["failed"] },
  ]);
  expect(await store.settle([settling(delivery, ack)])).toEqual(["done"]);
});

describe("membership", () => {
  const published = async (id: string): Promise<string[]> => {
    await store.append([message(id, { target: room })]);
    return ledger.takeAll(ada);
  };

  test("is as the last request left it, however soon that followed the one before", async () => {
    await store.join(room, ada, undefined, "client");
    journal.holding = true;
    const changes = [store.leave(room, ada), store.join(room, ada, undefined, "client")];
    journal.holding = false;
    await journal.answer();
    await Promise.all(changes);
    expect(await published("a")).toEqual(["a"]);
    journal.holding = true;
    const back = [store.join(room, ada, undefined, "client"), store.leave(room, ada)];
    journal.holding = false;
    await journal.answer();
    expect(await Promise.all(back)).toMatchObject([{ members: 0 }, { members: 0 }]);
    expect(await published("b")).toEqual([]);
  });

  test("stays as it was when a join fails, whatever else is under way, and ends also when a leave fails", async () => {
    journal.holding = true;
    journal.failing = true;
    const refused = store.join(room, ada, undefined, "client");
    journal.failing = false;
    const joined = store.join(room, ada, undefined, "client");
    journal.holding = false;
    const outcomes = Promise.allSettled([refused, joined]);
    await journal.answer();
    expect(await outcomes).toMatchObject([{ status: "rejected" }, { status: "fulfilled", value: { members: 1 } }]);
    expect(await published("a")).toEqual(["a"]);
    journal.failing = true;
    await expect(store.join(room, ada, undefined, "client")).rejects.toMatchObject(failed);
    journal.failing = false;
    expect(await published("b")).toEqual(["b"]);
    journal.failing = true;
    await expect(store.leave(room, ada)).rejects.toMatchObject(failed);
    await expect(store.join(room, ada, undefined, "client")).rejects.toMatchObject(failed);
    journal.failing = false;
    expect(await published("c")).toEqual([]);
  });

  test("a join that fails makes no member", async () => {
    journal.failing = true;
    await expect(store.join(room, ada, undefined, "client")).rejects.toMatchObject(failed);
    journal.failing = false;
    expect(await published("a")).toEqual([]);
    expect(await store.join(room, ada, undefined, "client")).toMatchObject({ members: 1 });
  });

  test("brings no history to an inbox that is full", async () => {
    await open({ rules: rulesWith({ maxMessages: 3 }) });
    const history = ["a", "b", "c"].map((id) => message(id, { target: room }));
    await store.append(history);
    await store.join(room, ada, "all", "client");
    await store.leave(room, ada);
    await expect(store.join(room, ada, "all", "client")).rejects.toMatchObject({ code: "QUEUE_FULL" });
    expect(await store.join(room, ada, undefined, "client")).toMatchObject({ members: 1 });
    expect(await store.stats(ada)).toMatchObject({ ready: 3 });
  });
});

describe("order", () => {
  test("a delayed message is not lost behind history that waits on disk", async () => {
    await store.append(["a", "b"].map((id) => message(id, { target: room })));
    await store.join(room, ada, "all", "client");
    await store.append([message("delayed", { target: ada, dueAt: NOW + 10 }), message("c", { target: ada })]);
    await store.expire(NOW + 10);
    expect(await ledger.takeAll(ada, NOW + 10)).toEqual(["a", "b", "delayed", "c"]);
  });

  test("a message that became due keeps its place within its group", async () => {
    await store.append([
      message("g1", { group: "g" }),
      message("g2", { group: "g", dueAt: NOW + 10 }),
      message("g3", { group: "g" }),
      message("g4", { group: "g" }),
    ]);
    const taken = [await ledger.takeOne()];
    expect(await ledger.take()).toEqual([]);
    await store.expire(NOW + 10);
    expect(await ledger.take()).toEqual([]);
    for (let next: Delivery | undefined = taken[0]; next; [next] = await ledger.take(1)) {
      taken.push(next);
      await store.settle([settling(next, ack)]);
    }
    expect(taken.slice(1).map((delivery) => delivery.message.id)).toEqual(["g1", "g2", "g3", "g4"]);
  });

  test("a group is not overtaken while its next message waits for another one of its id", async () => {
    await open({}, { dedupMaxIds: 2 });
    await store.append([message("twice")]);
    for (let number = 0; number < 5; number++) await store.append([message(`filler${number}`, { target: ada })]);
    await store.append([message("twice", { group: "g" }), message("g2", { group: "g" })]);
    const first = await ledger.takeOne();
    expect(await ledger.take()).toEqual([]);
    await store.settle([settling(first, ack)]);
    expect((await ledger.take()).map((delivery) => delivery.message.id)).toEqual(["twice"]);
  });
});

test("a publish is answered when the journal has answered, and not before", async () => {
  journal.holding = true;
  const answered = jest.fn();
  const publishing = store.append([message("a")]).then(answered);
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(answered).not.toHaveBeenCalled();
  expect(await ledger.take()).toEqual([]);
  await journal.answer();
  await publishing;
  expect(answered).toHaveBeenCalledWith([{ status: "stored", seq: 1 }]);
});
