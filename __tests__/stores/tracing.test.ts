/** Where a message is said to be while it is on its way from one place to another. */
import type { Traces } from "../../src/queue/message";
import type { Settlement } from "../../src/queue/store";
import { message } from "../conformance/store-suite";
import { LedgerUnderTest, NOW, queue, settling } from "./ledger-under-test";

const poisoned: Settlement = { action: "dead", reason: "refused", error: "torn" };

let ledger: LedgerUnderTest;

beforeEach(async () => {
  ledger = await LedgerUnderTest.open();
  await ledger.store.append([message("m")]);
});

const statesOf = async (traces: Promise<Traces>) => (await traces).found.map(({ state }) => state);

test("a dead letter that is put back while it is looked for is found where it went", async () => {
  const { store, journal } = ledger;
  await store.settle([settling(await ledger.takeOne(), poisoned)]);
  journal.answerInTurn();
  const redriving = store.redrive(queue, {}, NOW, 0);
  expect(await statesOf(store.trace("m", "/", undefined))).toEqual(["ready"]);
  expect(await redriving).toBe(1);
});

test("a message that dies while it is looked for is told once, as dead", async () => {
  const { store, journal } = ledger;
  const delivery = await ledger.takeOne();
  await store.append([message("later", { dueAt: NOW + 1_000 })]);
  journal.answerInTurn();
  const dying = store.settle([settling(delivery, poisoned)]);
  expect(await statesOf(store.trace("m", "/", undefined))).toEqual(["dead"]);
  expect(await dying).toEqual(["done"]);
});
