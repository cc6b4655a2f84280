import { BrokerUnderTest, type TestClient } from "./broker-under-test";
import { settled } from "./manual-clock";

const PREFETCH = { prefetch: 100, exclusive: false };

let hub: BrokerUnderTest;
let client: TestClient;

beforeEach(async () => {
  hub = await BrokerUnderTest.open();
  client = hub.client("d1");
});

afterEach(() => hub.close());

test("a cancel that is sent right behind a consume ends it", async () => {
  const consuming = hub.broker.consume(client.session, "q", PREFETCH);
  hub.broker.cancel(client.session, "q");
  expect(await consuming).toEqual({ ready: 0, active: undefined });
  await hub.client("acme").publish("a");
  expect(client.ids).toEqual([]);
});

test("of several wishes that are sent at once the last one counts", async () => {
  const consume = (prefetch: number) => hub.broker.consume(client.session, "q", { prefetch, exclusive: false });
  const first = consume(1);
  hub.broker.cancel(client.session, "q");
  await Promise.all([first, consume(3), consume(2)]);
  await settled();
  await hub.client("acme").publish("a", "b", "c");
  expect(client.ids).toEqual(["a", "b"]);
});

test("what came while a consumer had no credit is dealt as soon as it has", async () => {
  await hub.broker.consume(client.session, "q", PREFETCH);
  await hub.client("acme").publish("a");
  await hub.broker.consume(client.session, "q", { prefetch: 1, exclusive: false });
  await hub.client("acme").publish("b");
  expect(client.ids).toEqual(["a"]);
  await client.ack("a");
  await settled();
  expect(client.ids).toEqual(["a", "b"]);
});

test("a cancel of one consumer leaves another one's request alone", async () => {
  const other = hub.client("d2");
  const consuming = hub.broker.consume(other.session, "q", PREFETCH);
  hub.broker.cancel(client.session, "q");
  await consuming;
  await hub.client("acme").publish("a");
  expect(other.ids).toEqual(["a"]);
});
