import { BrokerUnderTest } from "./broker-under-test";

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
