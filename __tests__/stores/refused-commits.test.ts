/** A commit that the disk refuses, in the middle of a store's life: what follows must not build on it. */
import type { LedgerStore } from "../../src/stores/ledger/ledger-store";
import { SqliteInProcess } from "../conformance/sqlite-in-process";
import { SUITE_SETTINGS, SetClock, ada, bob, message, queue, room } from "../conformance/store-in-suite";
import { auditLedger } from "./ledger-audit";

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
