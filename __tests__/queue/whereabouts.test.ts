import { identityOf } from "../../src/queue/identity";
import { BrokerUnderTest, type TestClient } from "./broker-under-test";
import { settled } from "./manual-clock";

const LEASE_MS = 30_000;
const HOUR_MS = 3_600_000;
/** Of the store under test. */
const DEDUP_WINDOW_MS = 60_000;

let hub: BrokerUnderTest;
let operator: TestClient;

beforeEach(async () => {
  hub = await BrokerUnderTest.open({ hubRules: { backoffMs: 10_000, backoffMaxMs: 10_000 } });
  operator = hub.client("operator");
});

afterEach(() => hub.close());

function inMs(ms: number): string {
  return new Date(hub.clock.now() + ms).toISOString();
}

/** State and words of the one message of this id. */
async function why(id: string): Promise<{ state: string; stuck: string | undefined }> {
  const { messages } = await hub.broker.why(operator.session, id, undefined);
  expect(messages).toHaveLength(1);
  const [{ trace, stuck } = { trace: { state: "nothing" }, stuck: undefined }] = messages;
  return { state: trace.state, stuck };
}

describe("a ready message that does not move", () => {
  test("has no consumer, and others before it", async () => {
    await operator.publish("a", "b");
    expect(await why("a")).toEqual({ state: "ready", stuck: 'nobody consumes "q"' });
    expect(await why("b")).toEqual({
      state: "ready",
      stuck: 'nobody consumes "q"; at least one message goes before it',
    });
  });

  test("has no consumer with credit: each is named, with what it has out", async () => {
    await hub.consumer("d1", { prefetch: 1 });
    await hub.consumer("d2", { prefetch: 2 });
    await operator.publish("a", "b", "c", "m");
    expect((await why("m")).stuck).toBe("none of its consumers has credit: d1 has 1 of 1 out, d2 has 2 of 2 out");
  });

  test("names some of many consumers, and the number of the rest", async () => {
    for (let no = 1; no <= 7; no++) await hub.consumer(`d${no}`, { prefetch: 1 });
    await operator.publish("1", "2", "3", "4", "5", "6", "7", "m");
    expect((await why("m")).stuck).toMatch(/: d1 has 1 of 1 out, .*d5 has 1 of 1 out, and 2 more$/);
  });

  test("waits for a consumer that has as many bytes as it may", async () => {
    await hub.close();
    hub = await BrokerUnderTest.open({ prefetchBytes: 300 });
    operator = hub.client("operator");
    await hub.consumer("d1", { prefetch: 10 });
    await operator.publish("a", "b", "m");
    expect((await why("m")).stuck).toMatch(
      /^none of its consumers has credit: d1 has \d of 10 out, and with these as many bytes as it may/,
    );
  });

  test("waits for the one consumer that an exclusive queue deals to", async () => {
    await hub.consumer("d1", { prefetch: 1, exclusive: true });
    await hub.consumer("d2", { prefetch: 10 });
    await operator.publish("a", "m");
    expect((await why("m")).stuck).toBe(
      "the queue deals to one consumer at a time, and that one has no credit: d1 has 1 of 1 out",
    );
  });

  test("is behind a message of its group that is out: whose, and until when", async () => {
    await hub.consumer("d1");
    const until = inMs(LEASE_MS);
    await operator.publishAll(["first", "m"].map((id) => ({ id, queue: "q", event: "e", group: "g" })));
    await settled();
    expect(await why("m")).toEqual({
      state: "ready",
      stuck: `its group "g" has one message out at a time, and "first" (seq 1) goes first: d1 has that one until ${until}`,
    });
  });

  test("is behind a message of its group that failed and is to be tried again", async () => {
    const client = await hub.consumer("d1");
    await operator.publishAll(["first", "m"].map((id) => ({ id, queue: "q", event: "e", group: "g" })));
    await settled();
    await hub.broker.nack(client.session, "q", client.refs, {});
    await settled();
    expect((await why("m")).stuck).toBe(
      'its group "g" has one message out at a time, and "first" (seq 1) goes first: that one waits too, for a consumer or for its next attempt',
    );
  });

  test("is behind a message of its group that nobody has been given yet", async () => {
    const client = await hub.consumer("d1", { prefetch: 2 });
    const ids = ["first", "second", "m"];
    await operator.publishAll(ids.map((id) => ({ id, queue: "q", event: "e", group: "g" })));
    await settled();
    hub.broker.cancel(client.session, "q");
    await client.ack("first");
    expect((await why("m")).stuck).toBe(
      'its group "g" has one message out at a time, and "second" (seq 2) goes first: that one waits too, for a consumer ' +
        'or for its next attempt; nobody consumes "q"; at least one message goes before it',
    );
  });

  test("is behind an older one of the same id that is out", async () => {
    const client = await hub.consumer("d1");
    await client.publish("m");
    await hub.broker.extend(client.session, "q", client.refs, HOUR_MS);
    const until = inMs(HOUR_MS);
    // Past the dedup window, which moves as messages come, the same id is another message.
    for (const id of ["a", "b"]) {
      await hub.clock.pass(DEDUP_WINDOW_MS);
      await operator.publish(id);
    }
    await client.publish("m");
    const [newer, older] = (await hub.broker.why(operator.session, "m", undefined)).messages;
    expect(older?.trace).toMatchObject({ state: "leased", message: { seq: 1 } });
    expect(newer?.stuck).toBe(
      `an older message of the same id, seq 1, has to be done with first: d1 has that one until ${until}`,
    );
  });

  test("waits for a hub that goes down", async () => {
    await operator.publish("m");
    void hub.broker.drain(1_000);
    expect((await why("m")).stuck).toBe('the hub is going down and deals nothing more; nobody consumes "q"');
  });
});

describe("a delayed message", () => {
  test("is not due yet", async () => {
    const dueAt = inMs(60_000);
    await operator.publishAll([{ id: "m", queue: "q", event: "e", delayMs: 60_000 }]);
    expect(await why("m")).toEqual({ state: "delayed", stuck: `it is not due before ${dueAt}` });
  });

  test("says how often it failed, and what was said the last time", async () => {
    const client = await hub.consumer("d1");
    await operator.publish("m");
    await hub.broker.nack(client.session, "q", client.refs, { delayMs: 0, reason: "no answer" });
    await settled();
    await hub.broker.nack(client.session, "q", client.refs.slice(1), { delayMs: 60_000, reason: "nobody at home" });
    expect(await why("m")).toEqual({
      state: "delayed",
      stuck: `it is not due before ${inMs(60_000)}; it failed 2 times, the last time because: nobody at home`,
    });
  });
});

test("a redriven message that waits for its turn has not failed since", async () => {
  const client = await hub.consumer("d1");
  await operator.publish("a", "m");
  await hub.broker.nack(client.session, "q", client.refs, { dead: true, reason: "torn" });
  const dueAt = inMs(1_000);
  await hub.broker.dead.redrive(operator.session, "q", {}, 1);
  expect(await why("m")).toEqual({
    state: "delayed",
    stuck: `it is not due before ${dueAt}; before it was redriven it failed, the last time because: torn`,
  });
});

describe("a message that is out", () => {
  test("is not stuck, while its holder is there", async () => {
    await hub.consumer("d1");
    await operator.publish("m");
    expect(await why("m")).toEqual({ state: "leased", stuck: undefined });
    const [found] = (await hub.broker.why(operator.session, "m", "q")).messages;
    expect(found?.trace).toMatchObject({
      delivery: { client: "d1", attempt: 1, deadline: hub.clock.now() + LEASE_MS },
    });
  });

  test("waits for the grace of a holder whose connection is gone", async () => {
    const client = await hub.consumer("d1");
    await operator.publish("m");
    const deadline = inMs(LEASE_MS);
    await client.drop();
    expect((await why("m")).stuck).toBe(
      `the connection of d1 is gone: it is given back when the grace is over, at the latest at ${deadline}`,
    );
  });
});

test("a dead letter, and a message that has ended, are told with who had them", async () => {
  const client = await hub.consumer("d1");
  await operator.publish("dead", "done");
  await hub.broker.nack(client.session, "q", client.refs.slice(0, 1), { dead: true, reason: "torn" });
  await client.ack("done");
  const [dead] = (await hub.broker.why(operator.session, "dead", undefined)).messages;
  expect(dead).toMatchObject({
    trace: { state: "dead", letter: { reason: "refused", lastHolder: "d1" } },
    stuck: undefined,
  });
  const [done] = (await hub.broker.why(operator.session, "done", undefined)).messages;
  expect(done).toMatchObject({ trace: { state: "ended", ending: { how: "acked", client: "d1", attempt: 1 } } });
});

describe("who asks", () => {
  test("finds the id in every queue of the namespace, or in the one that is named, and nothing of other namespaces", async () => {
    await operator.publishAll(["a", "b"].map((queue) => ({ id: "m", queue, event: "e" })));
    await hub.client("other", undefined, "/caps").publishAll([{ id: "m", queue: "c", event: "e" }]);
    const queues = async (queue?: string) =>
      (await hub.broker.why(operator.session, "m", queue)).messages.map(({ trace }) => trace.queue).sort();
    expect(await queues()).toEqual(["/:a", "/:b"]);
    expect(await queues("b")).toEqual(["/:b"]);
    expect(await queues("c")).toEqual([]);
    expect(await hub.broker.why(operator.session, "unheard-of", undefined)).toEqual({ messages: [], hasMore: false });
  });

  test("has to be an operator", async () => {
    const { session } = operator;
    session.identity = identityOf("d1", {});
    await expect(hub.broker.why(session, "m", undefined)).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: "d1 is not an operator.",
    });
  });
});
