import { WaybillError } from "../../src/protocol/errors";
import type { PublishMessage, PublishResult } from "../../src/protocol/wire";
import { identityOf } from "../../src/queue/identity";
import type { NewMessage } from "../../src/queue/message";
import { BrokerUnderTest, type BrokerOptions, type TestClient } from "./broker-under-test";
import { settled } from "./manual-clock";

let hub: BrokerUnderTest;
/** What went to the store, in order: what was published together by its ids, and what was settled. */
let writes: string[];

afterEach(() => hub.close());

async function open(options: BrokerOptions = {}): Promise<void> {
  hub = await BrokerUnderTest.open(options);
  writes = [];
  const append = hub.store.append.bind(hub.store);
  const settle = hub.store.settle.bind(hub.store);
  hub.store.append = (messages: readonly NewMessage[]) => {
    writes.push(messages.map(({ id }) => id).join(" "));
    return append(messages);
  };
  hub.store.settle = (requests) => {
    writes.push(`settled ${requests.map(({ id }) => id).join(" ")}`);
    return settle(requests);
  };
}

function publishAlone(client: TestClient, id: string, fields: Partial<PublishMessage> = {}): Promise<PublishResult> {
  return hub.broker.publishAlone(client.session, { id, queue: "q", event: "e", ...fields });
}

const toRoom = { queue: undefined, room: "r" };

test("messages that come alone, but together, go to the store together, in order, and each has its own answer", async () => {
  await open();
  const [one, other] = [hub.client("one"), hub.client("other")];
  const first = [publishAlone(one, "a"), publishAlone(other, "b"), publishAlone(one, "a")];
  const [{ seq: seqOfA = 0 } = {}, ...rest] = (await Promise.all(first)) as { seq?: number; status?: string }[];
  expect(rest).toMatchObject([
    { id: "b", seq: seqOfA + 1, status: "stored" },
    { id: "a", seq: seqOfA, status: "duplicate" },
  ]);
  await publishAlone(one, "c");
  expect(writes).toEqual(["a b a", "c"]);
});

describe("what comes alone goes before what is received after it", () => {
  test("before a list", async () => {
    await open();
    const client = await hub.consumer("d1");
    const alone = publishAlone(client, "first");
    const list = client.publishAll([{ id: "second", queue: "q", event: "e" }]);
    await Promise.all([alone, list]);
    await settled();
    expect(client.ids).toEqual(["first", "second"]);
  });

  test.each(["ack", "nack"] as const)("before its client's %s, for which it may be the reason", async (request) => {
    await open();
    const [driver, bystander] = [await hub.consumer("d1"), hub.client("other")];
    await driver.publish("job");
    writes.length = 0;
    const done = publishAlone(driver, "done");
    const settling = hub.broker[request](driver.session, "q", driver.refs, {});
    const other = publishAlone(bystander, "other");
    await Promise.all([done, settling, other]);
    expect(writes).toEqual(["done", "settled job", "other"]);
  });

  test("but others' acks send nothing off", async () => {
    await open();
    const [driver, shop] = [await hub.consumer("d1"), hub.client("acme")];
    await driver.publish("job");
    writes.length = 0;
    const publishing = [publishAlone(shop, "a"), driver.ack("job"), publishAlone(shop, "b")];
    await Promise.all(publishing);
    expect(writes).toEqual(["settled job", "a b"]);
  });

  test("before a why", async () => {
    await open();
    const client = hub.client("acme");
    const alone = publishAlone(client, "m");
    const { messages } = await hub.broker.why(client.session, "m", "q");
    expect(messages).toMatchObject([{ trace: { state: "ready" } }]);
    await alone;
  });
});

test("a message for a room is stored apart: nobody else waits for all of its members", async () => {
  await open({ routes: ["/:copied -> /:room:r"] });
  const client = hub.client("acme");
  const publishing = [
    publishAlone(client, "a"),
    publishAlone(client, "to the room", toRoom),
    publishAlone(client, "b"),
    publishAlone(client, "by a route", { queue: "copied" }),
    publishAlone(client, "c"),
  ];
  expect(await Promise.all(publishing)).toMatchObject(publishing.map(() => ({ status: "stored" })));
  expect(writes).toEqual(["a", "to the room", "b", "by a route by a route", "c"]);
});

test("what comes alone is taken as from whom it came, whoever its session is for when it is stored", async () => {
  await open();
  const client = hub.client("anonymous");
  const alone = publishAlone(client, "m");
  client.session.identity = identityOf("acme", {});
  await alone;
  const { found } = await hub.store.trace("m", "/", undefined);
  expect(found).toMatchObject([{ message: { publisher: "anonymous" } }]);
});

test("one that is refused is so at once, and costs the others nothing", async () => {
  await open();
  const client = hub.client("acme");
  const first = publishAlone(client, "a");
  expect(() => publishAlone(client, "late", { deliverAt: "2999-01-01T00:00:00Z" })).toThrow("a year ahead");
  expect(await Promise.all([first, publishAlone(client, "b")])).toMatchObject([
    { status: "stored" },
    { status: "stored" },
  ]);
});

test("bytes of what is gathered are bounded, with those of copies", async () => {
  await open({ maxUnconfirmedBytes: 2_000, routes: ["/:q -> /:copies"] });
  const client = hub.client("acme");
  const a = publishAlone(client, "a", { payload: "x".repeat(300) });
  expect(() => publishAlone(client, "large", { payload: "x".repeat(600) })).toThrow("bytes of publishes are waiting");
  const b = publishAlone(client, "b");
  expect(await Promise.all([a, b])).toMatchObject([{ status: "stored" }, { status: "stored" }]);
  expect(writes).toEqual(["a a b b"]);
  // What comes when nothing is on its way may be of any size.
  expect(await publishAlone(client, "large", { payload: "x".repeat(9_000) })).toMatchObject({ status: "stored" });
});

test("many bytes go to the store without waiting for more", async () => {
  await open({ maxUnconfirmedBytes: 2 ** 24, maxPayloadBytes: 2 ** 21 });
  const client = hub.client("acme");
  const publishing = ["a", "b", "c"].map((id) => publishAlone(client, id, { payload: "x".repeat(600_000) }));
  expect(writes).toEqual(["a b"]);
  await Promise.all(publishing);
  expect(writes).toEqual(["a b", "c"]);
});

test("a client's rate counts each of them, and refuses those past it at once", async () => {
  await open({ maxPublishPerSecond: 2 });
  const client = hub.client("acme");
  const stored = [publishAlone(client, "a"), publishAlone(client, "b")];
  expect(() => publishAlone(client, "c")).toThrow("acme may publish 2 messages a second");
  expect(await Promise.all(stored)).toMatchObject([{ status: "stored" }, { status: "stored" }]);
});

test("all that are gathered hear of a store that fails, and the next ones are not held to it", async () => {
  await open();
  const client = hub.client("acme");
  const { append } = hub.store;
  hub.store.append = () => Promise.reject(new WaybillError("STORE_UNAVAILABLE", "It is gone."));
  const results = await Promise.allSettled([publishAlone(client, "a"), publishAlone(client, "b")]);
  expect(results).toMatchObject([
    { status: "rejected", reason: { code: "STORE_UNAVAILABLE" } },
    { status: "rejected", reason: { code: "STORE_UNAVAILABLE" } },
  ]);
  hub.store.append = append;
  expect(await publishAlone(client, "a")).toMatchObject({ status: "stored" });
});

test("a drain waits for what is gathered", async () => {
  await open();
  const client = hub.client("acme");
  const alone = publishAlone(client, "a");
  let isDrained = false;
  const drained = hub.broker.drain(1_000).then(() => (isDrained = true));
  await Promise.resolve();
  expect(isDrained).toBe(false);
  expect(() => publishAlone(client, "b")).toThrow("The hub is going down");
  expect(await alone).toMatchObject({ status: "stored" });
  await hub.clock.pass(20);
  await drained;
});

test("a hub that closes still stores what is gathered", async () => {
  await open();
  const alone = publishAlone(hub.client("acme"), "a");
  hub.broker.close();
  expect(writes).toEqual(["a"]);
  expect(await alone).toMatchObject({ status: "stored" });
});
