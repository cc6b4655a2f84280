import { queueAddress } from "../../src/queue/message";
import { SystemClock } from "../../src/queue/clock";
import { BrokerUnderTest, SETTINGS } from "./broker-under-test";
import { settled } from "./manual-clock";

const HOUR_MS = 3_600_000;
const LEASE_MS = 30_000;
const queue = queueAddress("/", "q");

describe("the machine's clock", () => {
  test("runs on steadily when the time of day is set, until it is told to catch up", () => {
    const [wall, steady] = [jest.spyOn(Date, "now"), jest.spyOn(performance, "now")];
    wall.mockReturnValue(1_800_000_000_000);
    steady.mockReturnValue(1_000);
    const clock = new SystemClock();
    expect(clock.now()).toBe(1_800_000_000_000);

    steady.mockReturnValue(1_500);
    wall.mockReturnValue(1_800_000_000_500 - HOUR_MS);
    expect(clock.now()).toBe(1_800_000_000_500);
    expect(clock.catchUp()).toBe(-HOUR_MS);
    expect(clock.now()).toBe(1_800_000_000_500 - HOUR_MS);
    expect(clock.catchUp()).toBe(0);

    // Slewed: not worth a step.
    wall.mockReturnValue(1_800_000_001_500 - HOUR_MS);
    expect(clock.catchUp()).toBe(0);
    wall.mockReturnValue(1_800_000_001_501 - HOUR_MS);
    expect(clock.catchUp()).toBe(1_001);
    jest.restoreAllMocks();
  });

  test("is within a moment of the time of day, in whole milliseconds", () => {
    const now = new SystemClock().now();
    expect(Number.isInteger(now)).toBe(true);
    expect(Math.abs(now - Date.now())).toBeLessThan(1_000);
  });
});

describe.each([
  ["forwards", HOUR_MS],
  ["back", -HOUR_MS],
])("a time of day that is set %s by an hour", (_where, stepMs) => {
  let hub: BrokerUnderTest;

  beforeEach(async () => {
    hub = await BrokerUnderTest.open({ hubRules: { leaseMs: LEASE_MS, backoffMs: 10_000, backoffMaxMs: 10_000 } });
  });

  afterEach(() => hub.close());

  async function step(): Promise<void> {
    hub.clock.step(stepMs);
    const before = hub.clock.now();
    await hub.clock.pass(SETTINGS.tickMs);
    expect(hub.steps).toEqual([stepMs]);
    expect(hub.clock.now()).toBe(before + stepMs + SETTINGS.tickMs);
  }

  test("ends no lease early, and none late", async () => {
    const client = await hub.consumer("d1");
    await client.publish("m");
    await hub.clock.pass(LEASE_MS / 2);
    await step();
    await hub.clock.pass(LEASE_MS / 2 - 2 * SETTINGS.tickMs);
    expect(client.revocations).toEqual([]);
    await hub.clock.pass(2 * SETTINGS.tickMs);
    expect(client.revocations).toEqual(["m"]);
  });

  test("leaves delays, backoff and times to live as long as they were", async () => {
    const client = await hub.consumer("d1", { prefetch: 1 });
    await client.publish("fails");
    await hub.broker.nack(client.session, "q", client.refs, {});
    await client.publish("in-hand");
    await client.publishAll([
      { id: "delayed", queue: "q", event: "e", delayMs: 20_000 },
      { id: "expires", queue: "q", event: "e", ttlMs: 25_000, priority: 0 },
    ]);
    await step();
    expect(await hub.store.stats(queue)).toMatchObject({ delayed: 2, ready: 1, expired: 0 });
    await hub.clock.pass(10_000);
    expect(await hub.store.stats(queue)).toMatchObject({ delayed: 1, ready: 2, expired: 0 });
    await hub.clock.pass(10_000);
    expect(await hub.store.stats(queue)).toMatchObject({ delayed: 0, ready: 3, expired: 0 });
    await hub.clock.pass(5_000);
    expect(await hub.store.stats(queue)).toMatchObject({ delayed: 0, ready: 2, expired: 1 });
  });

  test("does not move a time of day that a publisher named", async () => {
    const client = await hub.consumer("d1");
    const at = hub.clock.now() + 2 * HOUR_MS;
    await client.publishAll([{ id: "m", queue: "q", event: "e", deliverAt: new Date(at).toISOString() }]);
    await step();
    await hub.clock.pass(at - hub.clock.now() - 1);
    expect(client.ids).toEqual([]);
    await hub.clock.pass(1 + SETTINGS.tickMs);
    expect(client.ids).toEqual(["m"]);
  });

  test("is followed at the next look when the store fails, before anything is taken for overdue", async () => {
    const client = await hub.consumer("d1");
    await client.publish("m");
    const moveDeadlines = hub.store.moveDeadlines.bind(hub.store);
    hub.store.moveDeadlines = async (byMs) => {
      await moveDeadlines(byMs);
      throw new Error("no space");
    };
    hub.clock.step(stepMs);
    await hub.clock.pass(SETTINGS.tickMs);
    expect(hub.failures.splice(0)).toMatchObject(["looking for what is due", { message: "no space" }]);
    hub.store.moveDeadlines = moveDeadlines;
    await hub.clock.pass(SETTINGS.tickMs);
    await settled();
    expect(hub.steps).toEqual([stepMs]);
    expect(client.revocations).toEqual([]);
    await hub.clock.pass(LEASE_MS);
    expect(client.revocations).toEqual(["m"]);
  });
});
