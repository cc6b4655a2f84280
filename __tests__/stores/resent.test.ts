/** What is sent again, after its answer was lost, to a store whose disk is full by then. */
import { WaybillError } from "../../src/protocol/errors";
import { message } from "../conformance/store-suite";
import { LedgerUnderTest, queue } from "./ledger-under-test";

const noSpace = new WaybillError("DISK_FULL", "There is no space left.");

test("a full disk refuses what is new, and tells of the rest that it is stored", async () => {
  const { store, journal } = await LedgerUnderTest.open();
  await store.append([message("a"), message("b")]);
  const append = jest.spyOn(journal, "append").mockRejectedValue(noSpace);
  expect(await store.append([message("b"), message("c"), message("a")])).toEqual([
    { status: "duplicate", seq: 2 },
    { error: noSpace },
    { status: "duplicate", seq: 1 },
  ]);
  expect(await store.stats(queue)).toMatchObject({ ready: 2 });
  await expect(store.append([message("c"), message("d")])).rejects.toBe(noSpace);
  append.mockRestore();
  expect(await store.append([message("c")])).toMatchObject([{ status: "stored" }]);
});
