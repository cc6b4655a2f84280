/** A commit that the disk refuses, in the middle of a store's life: what follows must not build on it. */
import type { LedgerStore } from "../../src/stores/ledger/ledger-store";
import { SqliteInProcess } from "../conformance/sqlite-in-process";
import { NOW, SUITE_SETTINGS, SetClock, ada, bob, message, queue, room } from "../conformance/store-in-suite";
import type { QueueAddress } from "../../src/queue/message";
import { auditLedger } from "./ledger-audit";
import { settling, turn } from "./ledger-under-test";

let subject: SqliteInProcess;
let store: LedgerStore;

beforeEach(async () => {
  subject = new SqliteInProcess();
  store = await subject.open(SUITE_SETTINGS, new SetClock());
});

afterEach(async () => {
  auditLedger(store);
  await subject.cleanUp();
});

async function refused(act: () => Promise<unknown>): Promise<void> {
  subject.failing = true;
  await expect(act()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  subject.failing = false;
}

/** Ids of all that waits in a queue, which is acked. */
async function drained(from: QueueAddress): Promise<string[]> {
  const ids: string[] = [];
  for (let idle = 0; idle < 3; idle++) {
    const request = { holder: "h", client: "c", limit: 100, limitBytes: 1e9 };
    const taken = await store.lease(from, [request], NOW, 1_000);
    await store.settle(taken.map((delivery) => settling(delivery, { action: "ack" })));
    ids.push(...taken.map(({ message: { id } }) => id));
    if (taken.length > 0) idle = 0;
    await turn();
  }
  return ids;
}

const seqOf = async (id: string): Promise<number> => {
  const [result] = await store.append([message(id)]);
  if (result === undefined || "error" in result) throw new Error(`${id} was not stored`);
  return result.seq;
};

test.each(["closed", "crashed"] as const)("no seq is given twice, also after the store was %s", async (how) => {
  await refused(() => store.join(room, ada, undefined, "client"));
  const before = await seqOf("a");
  store = await subject.reopen(how);
  expect(await seqOf("b")).toBeGreaterThan(before);
});

test("a queue that was made in it is there afterwards", async () => {
  await refused(() => store.append([message("a")]));
  await store.append([message("a")]);
  store = await subject.reopen("crashed");
  expect(await store.stats(queue)).toMatchObject({ ready: 1 });
});

test("an id that came in it is stored when it comes again, and known afterwards", async () => {
  await refused(() => store.append([message("a")]));
  expect(await store.append([message("a")])).toMatchObject([{ status: "stored" }]);
  expect(await store.append([message("a")])).toMatchObject([{ status: "duplicate" }]);
});

test("what an inbox was given by a join that was refused is not replayed to it, and what came before and after is", async () => {
  await store.join(room, bob, undefined, "client");
  await store.append([message("before", { target: room })]);
  subject.failing = true;
  const joining = store.join(room, ada, "all", "client");
  joining.catch(() => {});
  // Posted by itself.
  await turn();
  const appending = store.append([message("meanwhile", { target: room })]);
  await expect(joining).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  subject.failing = false;
  await appending;
  await store.append([message("after", { target: room })]);
  expect(await store.join(room, ada, "all", "client")).toMatchObject({ replayed: 2 });
  expect((await drained(ada)).sort()).toEqual(["after", "before", "meanwhile"]);
  await store.leave(room, ada);
  expect(await store.join(room, ada, "all", "client")).toMatchObject({ replayed: 3 });
});

test("a membership that was refused is none, and one that was to end is over", async () => {
  await refused(() => store.join(room, ada, undefined, "client"));
  await store.join(room, bob, undefined, "client");
  await refused(() => store.leave(room, bob));
  await store.append([message("a", { target: room })]);
  store = await subject.reopen("crashed");
  await store.append([message("b", { target: room })]);
  expect(await store.stats(ada)).toMatchObject({ ready: 0 });
  expect(await store.stats(bob)).toMatchObject({ ready: 0 });
});
