import { queueAddress } from "../../src/queue/message";
import { BrokerUnderTest, SETTINGS, type TestClient } from "./broker-under-test";
import { settled } from "./manual-clock";

const DRAIN_MS = 10_000;
const LEASE_MS = 30_000;
const queue = queueAddress("/", "q");

let hub: BrokerUnderTest;

/** What it has out. */
const bytesOf = ({ session }: TestClient): number => session.outOf(queue)?.bytes ?? 0;

beforeEach(async () => {
  hub = await BrokerUnderTest.open();
});

afterEach(() => hub.close());

describe("credit", () => {
  /** A consumer that has one message in hand, and what that costs. */
  async function busyConsumer(): Promise<{ client: TestClient; bytes: number }> {
    const client = await hub.consumer("d1");
    await client.publish("in-hand");
    await settled();
    return { client, bytes: bytesOf(client) };
  }

  test("is whole again when a message comes back before the end of its last attempt is noted", async () => {
    const { client, bytes } = await busyConsumer();
    await client.publish("m");
    await settled();
    const given = client.given[1];
    if (!given) throw new Error("nothing was given");
    const again = { ...given, attempt: 2 };
    const out = client.session.beginConsuming(queue);
    client.session.give(out, [again]);
    client.session.forget(out, given);
    expect(client.session.heldCount).toBe(2);
    client.session.forget(out, again);
    expect(bytesOf(client)).toBe(bytes);
  });

  test("is not given back by a second ack of an earlier attempt", async () => {
    const { client, bytes } = await busyConsumer();
    await client.publish("m");
    await settled();
    const first = client.refs.slice(-1);
    await hub.broker.ack(client.session, "q", first);
    // As the next message of that id is, in another attempt, past the dedup window.
    const given = client.given[1];
    if (!given) throw new Error("nothing was given");
    client.session.give(client.session.beginConsuming(queue), [{ ...given, attempt: 2 }]);
    expect(await hub.broker.ack(client.session, "q", first)).toEqual([{ id: "m", status: "already" }]);
    expect(client.session.heldCount).toBe(2);
    expect(bytesOf(client)).toBeGreaterThan(bytes);
  });

  test("stays whole through nacks that meet publishes", async () => {
    const { client, bytes } = await busyConsumer();
    for (let round = 0; round < 20; round++) {
      await client.publish(`m${round}`);
      await settled();
      const nacked = client.refs.slice(-1);
      await Promise.all([hub.broker.nack(client.session, "q", nacked, { delayMs: 0 }), client.publish(`p${round}`)]);
      await settled();
      await hub.broker.ack(client.session, "q", client.refs.slice(1));
      expect(bytesOf(client)).toBe(bytes);
    }
  });

  test("ends at the number of queues, also for requests that are sent together", async () => {
    const client = hub.client("d1");
    const asked = await Promise.allSettled(
      ["a", "b", "c", "d", "e"].map((name) =>
        hub.broker.consume(client.session, name, { prefetch: 1, exclusive: false }),
      ),
    );
    expect(asked.map(({ status }) => status)).toEqual([
      ...Array<string>(3).fill("fulfilled"),
      ...Array<string>(2).fill("rejected"),
    ]);
  });
});

describe("a session", () => {
  test("is dealt nothing on the word of a connection that was replaced meanwhile", async () => {
    const former = hub.client("d1");
    await former.publish("m");
    const asking = former.consume();
    const next = hub.client("d1", former.session.id);
    await expect(asking).rejects.toMatchObject({ code: "LEASE_LOST" });
    await settled();
    expect(former.wasReplaced).toBe(true);
    expect(next.given).toEqual([]);
    await next.consume();
    await settled();
    expect(next.given).toHaveLength(1);
  });

  test("past its grace gives its deliveries to the next at once", async () => {
    const first = await hub.consumer("d1");
    await first.publish("m");
    await settled();
    const second = await hub.consumer("d2");
    hub.broker.disconnect(first.session, first);
    await hub.clock.pass(SETTINGS.graceMs);
    expect(second.refs).toEqual([{ id: "m", attempt: 2 }]);
  });
});

test("leases that run out together are all taken back at once, while none can be extended", async () => {
  const client = hub.client("d1");
  for (const name of ["a", "b"]) {
    await hub.broker.publish(client.session, [{ id: name, queue: name, event: "e" }]);
    await hub.broker.consume(client.session, name, { prefetch: 10, exclusive: false });
  }
  await settled();
  const settle = hub.store.settle.bind(hub.store);
  let goOn = (): void => {};
  const held = new Promise<void>((resolve) => (goOn = resolve));
  hub.store.settle = (requests) => held.then(() => settle(requests));
  await hub.clock.pass(LEASE_MS + SETTINGS.tickMs);
  expect(client.revocations).toEqual(["a", "b"]);
  goOn();
  await settled();
});

describe("a drain", () => {
  test("lets those publish that have something in hand, and waits for their acks", async () => {
    const worker = await hub.consumer("d1", { prefetch: 1 });
    const other = hub.client("d2");
    await worker.publish("work");
    await settled();
    const drained = jest.fn();
    void hub.broker.drain(DRAIN_MS).then(drained);
    await expect(other.publish("new")).rejects.toMatchObject({ code: "DRAINING" });
    await worker.publish("done");
    await hub.clock.pass(1_000);
    expect(drained).not.toHaveBeenCalled();
    await hub.broker.ack(worker.session, "q", worker.refs);
    await hub.clock.pass(1_000);
    expect(drained).toHaveBeenCalled();
    await expect(worker.publish("more")).rejects.toMatchObject({ code: "DRAINING" });
    expect(worker.given).toHaveLength(1);
  });

  test.each([
    ["a redrive", "redrive", "ready"],
    ["a purge", "purge", "ended"],
  ] as const)("waits for %s that is under way, and takes no further redrive", async (_what, request, state) => {
    const { broker, store, clock } = hub;
    const worker = await hub.consumer("d1", { prefetch: 1 });
    await worker.publish("bad");
    await broker.nack(worker.session, "q", worker.refs, { dead: true });
    const carryOut = { redrive: store.redrive.bind(store), purge: store.purge.bind(store) };
    let goOn = (): void => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    store.redrive = (...given) => held.then(() => carryOut.redrive(...given));
    store.purge = (...given) => held.then(() => carryOut.purge(...given));
    const done =
      request === "redrive"
        ? broker.dead.redrive(worker.session, "q", {}, undefined)
        : broker.dead.purge(worker.session, "q", {});
    const drained = jest.fn();
    void broker.drain(DRAIN_MS).then(drained);
    const another = broker.dead.redrive(worker.session, "q", {}, undefined);
    await expect(another).rejects.toMatchObject({ code: "DRAINING" });
    await clock.pass(1_000);
    expect(drained).not.toHaveBeenCalled();
    goOn();
    expect(await done).toBe(1);
    await clock.pass(1_000);
    expect(drained).toHaveBeenCalled();
    const { messages } = await broker.why(worker.session, "bad", undefined);
    expect(messages.map(({ trace }) => trace.state)).toEqual([state]);
  });

  test("counts no failure of who goes meanwhile, and could not come back", async () => {
    const [early, late] = [await hub.consumer("d1", { prefetch: 1 }), await hub.consumer("d2", { prefetch: 1 })];
    await early.publish("a", "b");
    const settle = jest.spyOn(hub.store, "settle");
    await early.drop();
    const drained = hub.broker.drain(2 * SETTINGS.graceMs);
    await late.drop();
    await hub.clock.pass(2 * SETTINGS.graceMs);
    await drained;
    expect(settle).not.toHaveBeenCalled();
    expect(hub.broker.sessionCount).toBe(0);
  });

  test("ends at its limit, also when the clock is set back meanwhile", async () => {
    const worker = await hub.consumer("d1");
    await worker.publish("work");
    await settled();
    const drained = jest.fn();
    void hub.broker.drain(DRAIN_MS).then(drained);
    hub.clock.step(-3_600_000);
    await hub.clock.pass(DRAIN_MS - 1);
    expect(drained).not.toHaveBeenCalled();
    await hub.clock.pass(SETTINGS.tickMs);
    expect(drained).toHaveBeenCalled();
  });
});

test("a queue that was found empty is still polled, for hints that were missed", async () => {
  const client = await hub.consumer("d1");
  hub.store.onHint(() => {});
  await client.publish("m");
  await settled();
  expect(client.given).toEqual([]);
  await hub.clock.pass(16 * SETTINGS.tickMs);
  expect(client.refs).toEqual([{ id: "m", attempt: 1 }]);
});

test("a nack of deliveries of several queues goes by the rules of each", async () => {
  hub.rules.replace([{ match: "/:south", maxAttempts: 1 }]);
  const client = hub.client("d1");
  for (const name of ["north", "south"])
    await hub.broker.consume(client.session, name, { prefetch: 1, exclusive: false });
  await client.publishAll(["north", "south"].map((name) => ({ id: `to-${name}`, queue: name, event: "e" })));
  await settled();
  const refs = client.refs.map((ref) => ({ ...ref, queue: ref.id.slice("to-".length) }));
  const results = await hub.broker.nack(client.session, "", refs, { reason: "closed" });
  expect(results).toEqual([
    { id: "to-north", status: "nacked" },
    { id: "to-south", status: "dead" },
  ]);
});
