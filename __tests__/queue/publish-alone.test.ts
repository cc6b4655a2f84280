import { WaybillError } from "../../src/protocol/errors";
import type { PublishMessage, PublishResult } from "../../src/protocol/wire";
import type { NewMessage } from "../../src/queue/message";
import { BrokerUnderTest, type BrokerOptions, type TestClient } from "./broker-under-test";
import { settled } from "./manual-clock";

let hub: BrokerUnderTest;
/** What went to the store together, by ids. */
let appends: string[][];

afterEach(() => hub.close());

async function open(options: BrokerOptions = {}): Promise<void> {
  hub = await BrokerUnderTest.open(options);
  appends = [];
  const append = hub.store.append.bind(hub.store);
  hub.store.append = (messages: readonly NewMessage[]) => {
    appends.push(messages.map(({ id }) => id));
    return append(messages);
  };
}

function publishAlone(client: TestClient, id: string, fields: Partial<PublishMessage> = {}): Promise<PublishResult> {
  return hub.broker.publishAlone(client.session, { id, queue: "q", event: "e", ...fields });
}

const toRoom = { queue: undefined, room: "r" };

test("messages that come alone in one turn go to the store together, in order, and each has its own answer", async () => {
  await open();
  const [one, other] = [hub.client("one"), hub.client("other")];
  const first = [publishAlone(one, "a"), publishAlone(other, "b"), publishAlone(one, "a")];
  const [{ seq: seqOfA = 0 } = {}, ...rest] = (await Promise.all(first)) as { seq?: number; status?: string }[];
  expect(rest).toMatchObject([
    { id: "b", seq: seqOfA + 1, status: "stored" },
    { id: "a", seq: seqOfA, status: "duplicate" },
  ]);
  await publishAlone(one, "c");
  expect(appends).toEqual([["a", "b", "a"], ["c"]]);
});

test("what comes alone goes before a list that comes after it in the same turn", async () => {
  await open();
  const client = await hub.consumer("d1");
  const alone = publishAlone(client, "first");
  const list = client.publishAll([{ id: "second", queue: "q", event: "e" }]);
  await Promise.all([alone, list]);
  await settled();
  expect(client.ids).toEqual(["first", "second"]);
});

test.each(["join", "leave"] as const)("what comes alone for a room is there when a %s after it is", async (request) => {
  await open();
  const member = hub.client("member");
  if (request === "leave") await hub.broker.join(member.session, "r", undefined, undefined);
  const alone = publishAlone(hub.client("chat"), "m", toRoom);
  await (request === "join"
    ? hub.broker.join(member.session, "r", undefined, undefined)
    : hub.broker.leave(member.session, "r", undefined));
  expect(await alone).toMatchObject({ status: "stored" });
  await hub.broker.consume(member.session, "@member", { prefetch: 10, exclusive: false });
  await settled();
  expect(member.ids).toEqual(request === "join" ? [] : ["m"]);
});

test("one that is refused costs the others of its turn nothing", async () => {
  await open();
  const client = hub.client("acme");
  const results = await Promise.all([
    publishAlone(client, "a"),
    publishAlone(client, "late", { deliverAt: "2999-01-01T00:00:00Z" }),
    publishAlone(client, "b"),
  ]);
  expect(results).toMatchObject([
    { status: "stored" },
    { id: "late", error: { code: "INVALID" } },
    { status: "stored" },
  ]);
});

test("those for which there is no room are refused, with their copies, and what is smaller goes on", async () => {
  await open({ maxUnconfirmedBytes: 2_000, routes: ["/:q -> /:copies"] });
  const client = hub.client("acme");
  const results = await Promise.all([
    publishAlone(client, "a", { payload: "x".repeat(300) }),
    publishAlone(client, "large", { payload: "x".repeat(600) }),
    publishAlone(client, "b"),
  ]);
  expect(results).toMatchObject([
    { id: "a", status: "stored" },
    { id: "large", error: { code: "RATE_LIMITED", retryable: true } },
    { id: "b", status: "stored" },
  ]);
  expect(appends).toEqual([["a", "a", "b", "b"]]);
  // It counts no more: what comes when nothing is on its way may be of any size.
  expect(await publishAlone(client, "large", { payload: "x".repeat(9_000) })).toMatchObject({ status: "stored" });
});

test("a client's rate counts each of them, and refuses those past it at once", async () => {
  await open({ maxPublishPerSecond: 2 });
  const client = hub.client("acme");
  const stored = [publishAlone(client, "a"), publishAlone(client, "b")];
  expect(() => publishAlone(client, "c")).toThrow("acme may publish 2 messages a second");
  expect(await Promise.all(stored)).toMatchObject([{ status: "stored" }, { status: "stored" }]);
});

test("all of a turn hear of a store that fails, and the next turn begins anew", async () => {
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

test("a drain waits for what came alone in its turn", async () => {
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

test("a hub that closes still stores what came alone in its turn", async () => {
  await open();
  const alone = publishAlone(hub.client("acme"), "a");
  hub.broker.close();
  expect(appends).toEqual([["a"]]);
  expect(await alone).toMatchObject({ status: "stored" });
});
