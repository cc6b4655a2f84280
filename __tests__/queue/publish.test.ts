import { queueAddress } from "../../src/queue/message";
import { PublishRate } from "../../src/queue/publish-rate";
import { BrokerUnderTest, SETTINGS } from "./broker-under-test";
import { settled } from "./manual-clock";

const YEAR_MS = 365 * 24 * 60 * 60 * 1_000;
const SLOWED = { maxPublishPerSecond: 10 };

let hub: BrokerUnderTest;

afterEach(() => hub.close());

function batch(count: number, prefix: string) {
  return Array.from({ length: count }, (_, index) => ({ id: `${prefix}${index}`, queue: "q", event: "e" }));
}

describe("a client's publish rate", () => {
  beforeEach(async () => {
    hub = await BrokerUnderTest.open(SLOWED);
  });

  test("is a second's worth at once, and then what time brings; a refusal says how long to wait and stores nothing", async () => {
    const client = hub.client("acme");
    await client.publishAll(batch(7, "a"));
    await client.publishAll(batch(3, "b"));
    await expect(client.publishAll(batch(3, "c"))).rejects.toMatchObject({
      code: "RATE_LIMITED",
      retryable: true,
      message: "acme may publish 10 messages a second: publish again in 300 ms.",
    });
    await hub.clock.pass(299);
    await expect(client.publishAll(batch(3, "c"))).rejects.toMatchObject({ code: "RATE_LIMITED" });
    await hub.clock.pass(1);
    await client.publishAll(batch(3, "c"));
    expect((await hub.store.stats(queueAddress("/", "q"))).ready).toBe(13);
  });

  test("is each client's own, over all its connections", async () => {
    await hub.client("acme").publishAll(batch(10, "a"));
    await hub.client("other").publishAll(batch(10, "b"));
    await expect(hub.client("acme").publishAll(batch(1, "c"))).rejects.toMatchObject({ code: "RATE_LIMITED" });
  });

  test("lets a batch of more than a second's worth through after a rest, and has it paid for afterwards", async () => {
    const client = hub.client("acme");
    await client.publishAll(batch(25, "a"));
    await hub.clock.pass(1_500);
    await expect(client.publishAll(batch(1, "b"))).rejects.toMatchObject({
      message: expect.stringContaining("again in 100 ms") as string,
    });
    await hub.clock.pass(100);
    await client.publishAll(batch(1, "b"));
  });
});

test("without a rate, as many as it likes", async () => {
  hub = await BrokerUnderTest.open();
  await hub.client("acme").publishAll(batch(1_000, "a"));
  await hub.client("acme").publishAll(batch(1_000, "b"));
});

test("a clock that was set back or forward makes nobody wait for longer, and gives nobody more", async () => {
  hub = await BrokerUnderTest.open();
  const rate = new PublishRate(2, hub.clock);
  rate.take("c", 2);
  hub.clock.step(-3_600_000);
  hub.clock.catchUp();
  await hub.clock.pass(500);
  rate.take("c", 1);
  hub.clock.step(7_200_000);
  hub.clock.catchUp();
  expect(() => rate.take("c", 1)).toThrow("publish again in 500 ms");
});

test("clients that have been quiet for a second cost no memory, however many there were", async () => {
  hub = await BrokerUnderTest.open();
  const rate = new PublishRate(1, hub.clock);
  for (let round = 0; round < 5; round++) {
    for (let no = 0; no < 1_000; no++) rate.take(`client-${round}-${no}`, 1);
    await hub.clock.pass(1_000);
  }
  expect(rate.size).toBeLessThanOrEqual(1_024);
  // And nobody gains by what is forgotten.
  rate.take("late", 1);
  for (let no = 0; no < 3_000; no++) rate.take(`other-${no}`, 1);
  expect(() => rate.take("late", 1)).toThrow("publish again in 1000 ms");
});

describe("deliverAt", () => {
  beforeEach(async () => {
    hub = await BrokerUnderTest.open();
  });

  /** As a publisher writes it. */
  function inMs(ms: number): string {
    return new Date(hub.clock.now() + ms).toISOString();
  }

  test("is when a message may be delivered; a time that has passed means at once", async () => {
    const client = await hub.consumer("d1");
    const results = await client.publishAll([
      { id: "past", queue: "q", event: "e", deliverAt: inMs(-1) },
      { id: "later", queue: "q", event: "e", deliverAt: inMs(20_000) },
    ]);
    expect(results).toMatchObject([{ status: "stored" }, { status: "stored" }]);
    await settled();
    expect(client.ids).toEqual(["past"]);
    await hub.clock.pass(19_999);
    expect(client.ids).toEqual(["past"]);
    await hub.clock.pass(1 + SETTINGS.tickMs);
    expect(client.ids).toEqual(["past", "later"]);
  });

  test("is a year ahead at most, and a message that asks for more is refused alone", async () => {
    const client = await hub.consumer("d1");
    const results = await client.publishAll([
      { id: "next-year", queue: "q", event: "e", deliverAt: inMs(YEAR_MS) },
      { id: "too-far", queue: "q", event: "e", deliverAt: inMs(YEAR_MS + 1) },
    ]);
    expect(results).toMatchObject([
      { id: "next-year", status: "stored" },
      {
        id: "too-far",
        error: { code: "INVALID", message: expect.stringMatching(/^deliverAt .*a year ahead/) as string },
      },
    ]);
  });

  test("counts a time to live from then on", async () => {
    const client = await hub.consumer("d1", { prefetch: 1 });
    await client.publish("busy");
    await client.publishAll([{ id: "m", queue: "q", event: "e", deliverAt: inMs(10_000), ttlMs: 5_000 }]);
    await hub.clock.pass(14_500);
    expect(await hub.store.stats(queueAddress("/", "q"))).toMatchObject({ ready: 1, expired: 0 });
    await hub.clock.pass(1_000);
    expect(await hub.store.stats(queueAddress("/", "q"))).toMatchObject({ ready: 0, expired: 1 });
  });
});

test("publishes that wait for a slow store are bounded in bytes, of all clients together", async () => {
  hub = await BrokerUnderTest.open({ maxUnconfirmedBytes: 1_500 });
  const append = hub.store.append.bind(hub.store);
  let goOn = (): void => {};
  const slow = new Promise<void>((resolve) => (goOn = resolve));
  hub.store.append = (messages) => slow.then(() => append(messages));
  const message = (id: string, length: number) => ({ id, queue: "q", event: "e", payload: "x".repeat(length) });
  const codeOf = (publishing: Promise<unknown>): Promise<unknown> =>
    publishing.then(
      () => "stored",
      (error: { code: string }) => error.code,
    );
  const codes = ["acme", "other", "third"].map((client) =>
    codeOf(hub.client(client).publishAll([message(client, 400)])),
  );
  goOn();
  expect(await Promise.all(codes)).toEqual(["stored", "stored", "RATE_LIMITED"]);
  // One that is larger by itself is for the payload's own limit to refuse.
  expect(await hub.client("third").publishAll([message("large", 4_000)])).toMatchObject([{ status: "stored" }]);
});

test.each([
  ["without a payload", 10, {}],
  ["that are all headers", 2, { headers: { trace: "x".repeat(1_000) } }],
])("messages %s count among what waits for a slow store", async (_what, fit, fields) => {
  hub = await BrokerUnderTest.open({ maxUnconfirmedBytes: 2_700 });
  const append = hub.store.append.bind(hub.store);
  let goOn = (): void => {};
  const slow = new Promise<void>((resolve) => (goOn = resolve));
  hub.store.append = (messages) => slow.then(() => append(messages));
  const publishing = Array.from({ length: fit + 1 }, (_, no) =>
    hub.client("acme").publishAll([{ id: `m${no}`, queue: "q", event: "e", ...fields }]),
  );
  await expect(publishing.pop()).rejects.toMatchObject({ code: "RATE_LIMITED" });
  goOn();
  expect(await Promise.all(publishing)).toHaveLength(fit);
});

test("numbers of a payload are doubles: a larger integer is rounded, and what is past them all is null", async () => {
  hub = await BrokerUnderTest.open();
  const payload: unknown = JSON.parse('{"exact":9007199254740991,"rounded":9007199254740993,"past":[1e400,-1e400]}');
  await hub.client("acme").publishAll([{ id: "a", queue: "q", event: "e", payload }]);
  const { found } = await hub.store.trace("a", "/", queueAddress("/", "q"));
  const stored = '{"exact":9007199254740991,"rounded":9007199254740992,"past":[null,null]}';
  expect(found).toMatchObject([{ message: { payload: stored } }]);
});

test("an id is remembered for as long when the clock is set forward, twice", async () => {
  hub = await BrokerUnderTest.open();
  const client = hub.client("acme");
  await client.publish("m");
  for (const id of ["a", "b"]) {
    hub.clock.step(3_600_000);
    await hub.clock.pass(SETTINGS.tickMs);
    await client.publish(id);
  }
  expect(hub.steps).toEqual([3_600_000, 3_600_000]);
  expect(await client.publishAll([{ id: "m", queue: "q", event: "e" }])).toMatchObject([{ status: "duplicate" }]);
});
