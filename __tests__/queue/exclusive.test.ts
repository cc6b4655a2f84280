import { queueAddress } from "../../src/queue/message";
import { BrokerUnderTest, SETTINGS } from "./broker-under-test";
import { settled } from "./manual-clock";

const EXCLUSIVE = { exclusive: true };
const queue = queueAddress("/", "q");

let hub: BrokerUnderTest;

beforeEach(async () => {
  hub = await BrokerUnderTest.open();
});

afterEach(() => hub.close());

/** Has the store's next answers come late. @returns what lets them come, and waits for what follows from them. */
function holdUp(method: "lease" | "settle"): () => Promise<void> {
  const { store } = hub;
  let goOn = (): void => {};
  const held = new Promise<void>((resolve) => (goOn = resolve));
  const [lease, settle] = [store.lease.bind(store), store.settle.bind(store)];
  if (method === "lease") store.lease = (...args) => lease(...args).then((leased) => held.then(() => leased));
  else store.settle = (requests) => held.then(() => settle(requests));
  return async () => {
    goOn();
    await settled();
  };
}

test("one consumer at a time is dealt to, the one that has been there longest, and each is told whether it is the one", async () => {
  const [first, second] = [hub.client("d1"), hub.client("d2")];
  expect(await first.consume(EXCLUSIVE)).toEqual({ ready: 0, active: true });
  expect(await second.consume()).toEqual({ ready: 0, active: false });
  await first.publish("a", "b", "c");
  expect(first.ids).toEqual(["a", "b", "c"]);
  expect(second.ids).toEqual([]);
});

test("in a queue of plain consumers nobody is told, and all are dealt to", async () => {
  const [first, second] = [hub.client("d1"), hub.client("d2")];
  expect(await first.consume()).toEqual({ ready: 0, active: undefined });
  await second.consume();
  await first.publish("a", "b");
  expect([first.ids, second.ids].map((ids) => ids.length)).toEqual([1, 1]);
});

test("a consumer that wishes to be alone where others are waits for its turn behind the one that came first", async () => {
  const first = await hub.consumer("d1");
  const second = await hub.consumer("d2");
  const third = hub.client("d3");
  expect(await third.consume(EXCLUSIVE)).toMatchObject({ active: false });
  await first.publish("a", "b", "c");
  expect([first.ids.length, second.ids.length, third.ids.length]).toEqual([3, 0, 0]);
  await third.drop();
  await first.publish("d", "e");
  expect([first.ids.length, second.ids.length]).toEqual([4, 1]);
});

test("consuming again without the wish shares the queue again; the place in the line stays", async () => {
  const first = await hub.consumer("d1", EXCLUSIVE);
  const second = await hub.consumer("d2", EXCLUSIVE);
  await second.consume();
  expect(await first.consume(EXCLUSIVE)).toMatchObject({ active: true });
  expect(await first.consume()).toMatchObject({ active: undefined });
  await first.publish("a", "b");
  expect([first.ids.length, second.ids.length]).toEqual([1, 1]);
});

test("the rules of a queue make it exclusive for consumers that say nothing, at once and also while it is consumed", async () => {
  const first = await hub.consumer("d1");
  const second = await hub.consumer("d2");
  hub.rules.replace([{ match: "/:q", exclusive: true }]);
  await first.publish("a", "b");
  expect([first.ids, second.ids]).toEqual([["a", "b"], []]);
  hub.rules.replace([]);
  await first.publish("c", "d");
  expect(second.ids).toHaveLength(1);
});

describe("when the active consumer's connection is gone", () => {
  test("the next has what it had out at once and in order, before what waits, without the grace", async () => {
    const first = await hub.consumer("d1", { ...EXCLUSIVE, prefetch: 3 });
    const second = await hub.consumer("d2", EXCLUSIVE);
    await first.publish("a", "b", "c", "d", "e");
    await first.ack("b");
    const droppedAt = hub.clock.now();
    await first.drop();
    expect(hub.clock.now()).toBe(droppedAt);
    expect(second.refs).toEqual([
      { id: "a", attempt: 2 },
      { id: "c", attempt: 2 },
      { id: "d", attempt: 2 },
      { id: "e", attempt: 1 },
    ]);
  });

  test("a client that comes back holds nothing of it any more, and is behind", async () => {
    const first = await hub.consumer("d1", EXCLUSIVE);
    const second = await hub.consumer("d2", EXCLUSIVE);
    await first.publish("a");
    const stale = first.refs;
    await first.drop();
    const back = hub.client("d1", first.session.id);
    expect(await back.consume(EXCLUSIVE)).toMatchObject({ active: false });
    expect(back.ids).toEqual([]);
    expect(await hub.broker.ack(back.session, "q", stale)).toMatchObject([{ error: { code: "LEASE_LOST" } }]);
    await second.ack("a");
  });

  test("and nobody is there to take over, it comes back within the grace and holds all", async () => {
    const first = await hub.consumer("d1", EXCLUSIVE);
    await first.publish("a");
    await first.drop();
    await hub.clock.pass(SETTINGS.graceMs - 1);
    const back = hub.client("d1", first.session.id);
    expect(await back.consume(EXCLUSIVE)).toMatchObject({ active: true });
    expect(back.refs).toEqual([{ id: "a", attempt: 1 }]);
    await back.ack("a");
  });

  test.each([true, false])(
    "who comes within the grace (exclusive: %s) takes over what it had out",
    async (exclusive) => {
      const first = await hub.consumer("d1", EXCLUSIVE);
      await first.publish("a", "b");
      await first.drop();
      const second = await hub.consumer("d2", { exclusive });
      expect(second.refs).toEqual([
        { id: "a", attempt: 2 },
        { id: "b", attempt: 2 },
      ]);
    },
  );

  test("a client that is back, and consumes no more, is told when another takes over", async () => {
    const first = await hub.consumer("d1", EXCLUSIVE);
    await first.publish("a");
    await first.drop();
    const back = hub.client("d1", first.session.id);
    const second = await hub.consumer("d2");
    expect(back.revocations).toEqual(["a"]);
    expect(second.refs).toEqual([{ id: "a", attempt: 2 }]);
  });

  test("it counts as a failure, so that a message that brings consumers down does not go on for ever", async () => {
    let active = await hub.consumer("d1", EXCLUSIVE);
    await active.publish("poison");
    for (let no = 2; no <= 6; no++) {
      expect(active.ids).toEqual(["poison"]);
      const next = await hub.consumer(`d${no}`, EXCLUSIVE);
      await active.drop();
      active = next;
    }
    expect(active.ids).toEqual([]);
    const [letter] = await hub.store.deadLetters(queue, {}, 10, 0);
    expect(letter).toMatchObject({ reason: "attempts", lastHolder: "d5", message: { id: "poison", failures: 5 } });
  });

  test("while the hub goes down, nobody has it in its place: a restart is no failure", async () => {
    const first = await hub.consumer("d1", EXCLUSIVE);
    const second = await hub.consumer("d2", EXCLUSIVE);
    await first.publish("a");
    const settle = jest.spyOn(hub.store, "settle");
    const drained = hub.broker.drain(1_000);
    await first.drop();
    await hub.clock.pass(1_000);
    await drained;
    expect(settle).not.toHaveBeenCalled();
    expect(second.ids).toEqual([]);
  });

  test("and the hub goes down before who asked for it is there, it is nobody's, either", async () => {
    const first = await hub.consumer("d1", EXCLUSIVE);
    await first.publish("a");
    await first.drop();
    const settle = jest.spyOn(hub.store, "settle");
    const second = hub.client("d2");
    const asked = second.consume(EXCLUSIVE);
    const drained = hub.broker.drain(1_000);
    await asked;
    await hub.clock.pass(1_000);
    await drained;
    expect(settle).not.toHaveBeenCalled();
    expect(second.ids).toEqual([]);
  });

  test("what was being leased for it goes back first, too", async () => {
    const first = await hub.consumer("d1", { ...EXCLUSIVE, prefetch: 2 });
    const second = await hub.consumer("d2", EXCLUSIVE);
    const goOn = holdUp("lease");
    await hub.client("publisher").publish("a", "b", "c");
    await first.drop();
    await goOn();
    expect(first.ids).toEqual([]);
    expect(second.refs).toEqual([
      { id: "a", attempt: 2 },
      { id: "b", attempt: 2 },
      { id: "c", attempt: 1 },
    ]);
    expect(second.given.map(({ message }) => message.failures)).toEqual([0, 0, 0]);
  });

  test("what is published while its deliveries go back comes after them", async () => {
    const first = await hub.consumer("d1", { ...EXCLUSIVE, prefetch: 2 });
    const second = await hub.consumer("d2", EXCLUSIVE);
    await first.publish("a", "b", "c");
    const goOn = holdUp("settle");
    await first.drop();
    await hub.client("publisher").publish("d");
    expect(second.ids).toEqual([]);
    await goOn();
    expect(second.ids).toEqual(["a", "b", "c", "d"]);
  });
});

test("a lease that was under way for the active consumer is not its own when it has come back behind another", async () => {
  const first = await hub.consumer("d1", EXCLUSIVE);
  const second = await hub.consumer("d2", EXCLUSIVE);
  const goOn = holdUp("lease");
  await hub.client("publisher").publish("a");
  hub.broker.cancel(first.session, "q");
  expect(await first.consume(EXCLUSIVE)).toMatchObject({ active: false });
  await goOn();
  expect([first.ids, second.ids]).toEqual([[], ["a"]]);
});

test("a cancel makes the next one active at once, while what is out stays with who has it", async () => {
  const first = await hub.consumer("d1", { ...EXCLUSIVE, prefetch: 1 });
  const second = await hub.consumer("d2", EXCLUSIVE);
  await first.publish("a", "b");
  hub.broker.cancel(first.session, "q");
  await settled();
  expect(second.refs).toEqual([{ id: "b", attempt: 1 }]);
  await first.ack("a");
});

test("a standby that goes changes nothing", async () => {
  const first = await hub.consumer("d1", EXCLUSIVE);
  const second = await hub.consumer("d2", EXCLUSIVE);
  await first.publish("a");
  await second.drop();
  await first.ack("a");
  expect(first.revocations).toEqual([]);
});
