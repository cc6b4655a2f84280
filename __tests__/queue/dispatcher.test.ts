import { queueAddress } from "../../src/queue/message";
import { BrokerUnderTest, SETTINGS } from "./broker-under-test";

let hub: BrokerUnderTest;

afterEach(() => hub.close());

test.each([2, 3, 4])("%d consumers of one queue begin in turn, also where messages come one by one", async (count) => {
  hub = await BrokerUnderTest.open();
  const consumers = [];
  for (let no = 0; no < count; no++) consumers.push(await hub.consumer(`d${no}`));
  const rounds = 5;
  for (let no = 0; no < count * rounds; no++) {
    await hub.client("acme").publish(`m${no}`);
    for (const consumer of consumers) if (consumer.ids.at(-1) === `m${no}`) await consumer.ack(`m${no}`);
  }
  expect(consumers.map(({ ids }) => ids.length)).toEqual(consumers.map(() => rounds));
});

test("what is leased under a prefetch that is lowered meanwhile goes back, without a failure, as far as it is too much", async () => {
  hub = await BrokerUnderTest.open();
  const lease = hub.store.lease.bind(hub.store);
  let goOn = (): void => {};
  const slow = new Promise<void>((resolve) => (goOn = resolve));
  const consumer = await hub.consumer("d1", { prefetch: 5 });
  hub.store.lease = (...request) => lease(...request).then((deliveries) => slow.then(() => deliveries));
  await hub.client("acme").publishAll(["a", "b", "c"].map((id) => ({ id, queue: "q", event: "e" })));
  await consumer.consume({ prefetch: 2 });
  hub.store.lease = lease;
  goOn();
  await hub.clock.pass(SETTINGS.tickMs);
  expect(consumer.ids).toEqual(["a", "b"]);
  await consumer.ack("a");
  await hub.clock.pass(SETTINGS.tickMs);
  expect(consumer.ids).toEqual(["a", "b", "c"]);
  expect(consumer.given.at(-1)).toMatchObject({ attempt: 2, message: { failures: 0 } });
});

test("what expires while the store is about to give it out is not delivered any more, and the rest is", async () => {
  hub = await BrokerUnderTest.open();
  const lease = hub.store.lease.bind(hub.store);
  let goOn = (): void => {};
  const slow = new Promise<void>((resolve) => (goOn = resolve));
  const consumer = await hub.consumer("d1");
  hub.store.lease = (...request) => lease(...request).then((deliveries) => slow.then(() => deliveries));
  await hub.client("acme").publishAll([
    { id: "short", queue: "q", event: "e", ttlMs: 100 },
    { id: "long", queue: "q", event: "e", ttlMs: 10_000 },
    { id: "lasting", queue: "q", event: "e" },
  ]);
  await hub.clock.pass(100);
  hub.store.lease = lease;
  goOn();
  await hub.clock.pass(SETTINGS.tickMs);
  expect(consumer.ids).toEqual(["long", "lasting"]);
  expect(await hub.store.stats(queueAddress("/", "q"))).toMatchObject({ ready: 0, leased: 2, expired: 1 });
});
