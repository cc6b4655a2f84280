import { queueAddress, type DeadLetter } from "../../src/queue/message";
import { BrokerUnderTest, SETTINGS, type TestClient } from "./broker-under-test";
import { settled } from "./manual-clock";

let hub: BrokerUnderTest;

beforeEach(async () => {
  hub = await BrokerUnderTest.open({ hubRules: { leaseMs: 30_000 } });
});

afterEach(() => hub.close());

/** Consumes both queues: the rules are for `slow`, `q` is as the hub's settings say. */
async function consumerOfBoth(): Promise<TestClient> {
  const client = hub.client("d1");
  for (const name of ["slow", "q"]) {
    await client.publishAll([{ id: name, queue: name, event: "e" }]);
    await hub.broker.consume(client.session, name, { prefetch: 10, exclusive: false });
  }
  await settled();
  expect(client.ids).toEqual(["slow", "q"]);
  return client;
}

async function lettersOf(name: string): Promise<readonly DeadLetter[]> {
  return hub.store.deadLetters(queueAddress("/", name), {}, 10, 0);
}

test("each queue's leases last as long as its own rules say", async () => {
  hub.rules.replace([{ match: "/:slow", leaseMs: 60_000 }]);
  const client = await consumerOfBoth();
  await hub.clock.pass(30_000 + SETTINGS.tickMs);
  expect(client.revocations).toEqual(["q"]);
  await hub.clock.pass(30_000);
  expect(client.revocations.filter((id) => id === "slow")).toHaveLength(1);
});

test("rules that change while the hub runs are in force for the next lease of a queue that exists", async () => {
  hub.rules.replace([{ match: "/:slow", leaseMs: 60_000 }]);
  const client = await consumerOfBoth();
  hub.rules.replace([{ match: "/:*", leaseMs: 1_000 }]);
  await hub.broker.nack(client.session, "slow", [{ id: "slow", attempt: 1 }], { delayMs: 0 });
  await settled();
  await hub.clock.pass(1_000 + SETTINGS.tickMs);
  expect(client.revocations).toEqual(["slow"]);
});

test("each queue tries again as often, and waits as long, as its own rules say", async () => {
  hub.rules.replace([{ match: "/:slow", maxAttempts: 2, backoffMs: 10_000, backoffMaxMs: 10_000 }]);
  const client = await consumerOfBoth();
  for (const name of ["slow", "q"]) await hub.broker.nack(client.session, name, [{ id: name, attempt: 1 }], {});
  await settled();
  // Backoff has jitter: half of it at least, all of it at most. The other queue has none.
  expect(client.ids).toEqual(["slow", "q", "q"]);
  await hub.clock.pass(4_900);
  expect(client.ids).toEqual(["slow", "q", "q"]);
  await hub.clock.pass(5_100 + SETTINGS.tickMs);
  expect(client.ids).toEqual(["slow", "q", "q", "slow"]);
  await hub.broker.nack(client.session, "slow", [{ id: "slow", attempt: 2 }], { reason: "no such street" });
  expect(await lettersOf("slow")).toMatchObject([
    { reason: "attempts", lastHolder: "d1", message: { failures: 2, lastError: "no such street" } },
  ]);
});

test("a lease that runs out, and a holder that goes, count by the rules of the queue", async () => {
  hub.rules.replace([{ match: "/:slow", maxAttempts: 1 }]);
  const client = await consumerOfBoth();
  await hub.clock.pass(30_000 + SETTINGS.tickMs);
  expect(await lettersOf("slow")).toMatchObject([{ reason: "attempts", message: { lastError: "its lease ran out" } }]);
  expect(await lettersOf("q")).toEqual([]);

  const other = hub.client("d2");
  await other.publishAll([{ id: "slow-2", queue: "slow", event: "e" }]);
  await settled();
  await client.drop();
  await hub.clock.pass(SETTINGS.graceMs);
  expect(await lettersOf("slow")).toMatchObject([
    {},
    { message: { id: "slow-2", lastError: "its consumer went away" } },
  ]);
});

test("a message that its consumer refuses for good says so, with the consumer's words", async () => {
  const client = await hub.consumer("d1");
  await client.publish("a", "b");
  await hub.broker.nack(client.session, "q", client.refs.slice(0, 1), { dead: true, reason: "torn" });
  await hub.broker.nack(client.session, "q", client.refs.slice(1), { dead: true });
  expect(await lettersOf("q")).toMatchObject([
    { reason: "refused", message: { id: "a", lastError: "torn" } },
    { reason: "refused", message: { id: "b", lastError: "refused by its consumer" } },
  ]);
});

describe("dead letters", () => {
  test("are redriven so many a second, the oldest first", async () => {
    const client = await hub.consumer("d1");
    await client.publish("a", "b", "c");
    await hub.broker.nack(client.session, "q", client.refs, { dead: true });
    const redriven = await hub.broker.dead.redrive(client.session, "q", { ids: ["a", "b", "c"] }, 2);
    expect(redriven).toBe(3);
    await hub.clock.pass(SETTINGS.tickMs);
    expect(client.ids.slice(3)).toEqual(["a"]);
    await hub.clock.pass(500);
    expect(client.ids.slice(3)).toEqual(["a", "b"]);
    await hub.clock.pass(500);
    expect(client.ids.slice(3)).toEqual(["a", "b", "c"]);
  });

  test("are listed, redriven and purged by selection, with how many there are in all", async () => {
    const client = await hub.consumer("d1");
    await client.publish("a", "b", "c");
    await hub.broker.nack(client.session, "q", client.refs, { dead: true });
    const { dead } = hub.broker;
    const { total, letters } = await dead.list(client.session, "q", { ids: ["b"] }, 10, 0);
    expect([total, letters.map(({ message }) => message.id)]).toEqual([3, ["b"]]);
    expect(await dead.purge(client.session, "q", { ids: ["b"] })).toBe(1);
    expect(await dead.redrive(client.session, "q", {}, undefined)).toBe(2);
    await settled();
    expect(client.ids.slice(3)).toEqual(["a", "c"]);
  });
});
