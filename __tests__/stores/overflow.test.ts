/** What becomes of a full queue that drops its oldest, while messages are on their way to it. */
import { rulesWith } from "../support/rules";
import { message } from "../conformance/store-suite";
import { LedgerUnderTest, queue } from "./ledger-under-test";

const IDS = ["a", "b", "c", "d", "e"];

test("what is sent again, and is stored already, drives nothing out", async () => {
  const rules = rulesWith({ maxMessages: IDS.length, overflow: "drop-oldest" });
  const { store, journal } = await LedgerUnderTest.open({ rules });
  await store.append(IDS.map((id) => message(id)));
  journal.holding = true;
  const fresh = store.append([message("new")]);
  const again = store.append(IDS.slice(0, 3).map((id) => message(id)));
  await journal.answer();
  expect(await fresh).toMatchObject([{ status: "stored" }]);
  expect(await again).toMatchObject(IDS.slice(0, 3).map(() => ({ status: "duplicate" })));
  await journal.answer();
  journal.holding = false;
  expect(await store.stats(queue)).toMatchObject({ ready: 5, dead: 1 });
  expect((await store.deadLetters(queue, {}, 10, 0)).map((letter) => letter.message.id)).toEqual(["a"]);
});
