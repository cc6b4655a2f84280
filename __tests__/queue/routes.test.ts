import { queueAddress } from "../../src/queue/message";
import { BrokerUnderTest } from "./broker-under-test";

let hub: BrokerUnderTest;

afterEach(() => hub.close());

test("a message is stored when all its copies are: sent again after a refusal, it is completed", async () => {
  hub = await BrokerUnderTest.open({ routes: ["/:q -> /:copies"] });
  hub.rules.replace([{ match: "/:copies", maxMessages: 1 }]);
  const client = hub.client("acme");
  const publish = (id: string) => client.publishAll([{ id, queue: "q", event: "e" }]);
  expect(await publish("a")).toMatchObject([{ id: "a", status: "stored" }]);
  expect(await publish("b")).toMatchObject([{ id: "b", error: { code: "QUEUE_FULL", retryable: true } }]);
  hub.rules.replace([]);
  expect(await publish("b")).toMatchObject([{ id: "b", status: "duplicate" }]);
  for (const name of ["q", "copies"]) {
    expect(await hub.store.stats(queueAddress("/", name))).toMatchObject({ ready: 2 });
  }
});

test("copies of two queues come to one, though their messages have the same id, and each of them once", async () => {
  hub = await BrokerUnderTest.open({ routes: ["/:orders -> /:audit", "/:invoices -> /:audit"] });
  const client = hub.client("acme");
  const both = ["orders", "invoices"].map((queue) => ({ id: "1", queue, event: "e" }));
  expect(await client.publishAll(both)).toMatchObject([{ status: "stored" }, { status: "stored" }]);
  expect(await client.publishAll(both)).toMatchObject([{ status: "duplicate" }, { status: "duplicate" }]);
  expect(await hub.store.stats(queueAddress("/", "audit"))).toMatchObject({ ready: 2 });
});
