import type { DeliveryRef } from "../../src/protocol/wire";
import { Broker, type BrokerSettings } from "../../src/queue/broker";
import { identityOf } from "../../src/queue/identity";
import { queueAddress, type Delivery, type QueueAddress } from "../../src/queue/message";
import type { Receiver } from "../../src/queue/receiver";
import type { Session } from "../../src/queue/session";
import type { Store } from "../../src/queue/store";
import { routeTable } from "../../src/queue/routes";
import { SUITE_SETTINGS } from "../conformance/store-suite";
import { openStore } from "../../src/stores/open-store";
import { ManualClock, settled } from "./manual-clock";

const SETTINGS: BrokerSettings = {
  leaseMs: 30_000,
  graceMs: 5_000,
  retry: { maxAttempts: 5, backoffMs: 0, backoffMaxMs: 0 },
  prefetchBytes: 2 ** 20,
  maxPayloadBytes: 2 ** 16,
  tickMs: 250,
  maxUnconfirmedBytes: 2 ** 20,
  maxConsumersPerSession: 3,
};
const DRAIN_MS = 10_000;
const queue = queueAddress("/", "q");

/** A connection that notes what it is told. */
class Client implements Receiver {
  readonly session: Session;
  readonly given: Delivery[] = [];
  readonly revocations: string[] = [];
  wasReplaced = false;

  constructor(clientId: string, shown?: string) {
    this.session = broker.connect("/", identityOf(clientId, {}), this, shown).session;
  }

  deliver(_queue: QueueAddress, deliveries: readonly Delivery[]): void {
    this.given.push(...deliveries);
  }

  revoked(_queue: QueueAddress, refs: readonly DeliveryRef[]): void {
    this.revocations.push(...refs.map(({ id }) => id));
  }

  replaced(): void {
    this.wasReplaced = true;
  }

  publish(...ids: string[]): Promise<unknown> {
    return broker.publish(
      this.session,
      ids.map((id) => ({ id, queue: "q", event: "e" })),
    );
  }

  get refs(): DeliveryRef[] {
    return this.given.map(({ message, attempt }) => ({ id: message.id, attempt }));
  }
}

let clock: ManualClock;
let store: Store;
let broker: Broker;
const failures: unknown[] = [];

beforeEach(async () => {
  clock = new ManualClock();
  store = await openStore("memory:", SUITE_SETTINGS, () => {});
  broker = new Broker(store, clock, SETTINGS, routeTable([]), { failed: (what, error) => failures.push(what, error) });
});

afterEach(async () => {
  broker.close();
  await store.close();
  expect(failures.splice(0)).toEqual([]);
});

async function consumer(clientId: string, prefetch = 100): Promise<Client> {
  const client = new Client(clientId);
  await broker.consume(client.session, "q", prefetch);
  await settled();
  return client;
}

describe("credit", () => {
  /** A consumer that has one message in hand, and what that costs. */
  async function busyConsumer(): Promise<{ client: Client; bytes: number }> {
    const client = await consumer("d1");
    await client.publish("in-hand");
    await settled();
    return { client, bytes: client.session.heldBytes(queue) };
  }

  test("is whole again when a message comes back before the end of its last attempt is noted", async () => {
    const { client, bytes } = await busyConsumer();
    await client.publish("m");
    await settled();
    const given = client.given[1];
    if (!given) throw new Error("nothing was given");
    client.session.give(queue, [{ ...given, attempt: 2 }]);
    client.session.forget(queue, "m", 1);
    expect(client.session.heldCount).toBe(2);
    client.session.forget(queue, "m", 2);
    expect(client.session.heldBytes(queue)).toBe(bytes);
  });

  test("stays whole through nacks that meet publishes", async () => {
    const { client, bytes } = await busyConsumer();
    for (let round = 0; round < 20; round++) {
      await client.publish(`m${round}`);
      await settled();
      const nacked = client.refs.slice(-1);
      await Promise.all([broker.nack(client.session, "q", nacked, { delayMs: 0 }), client.publish(`p${round}`)]);
      await settled();
      await broker.ack(client.session, "q", client.refs.slice(1));
      expect(client.session.heldBytes(queue)).toBe(bytes);
    }
  });

  test("ends at the number of queues, also for requests that are sent together", async () => {
    const client = new Client("d1");
    const asked = await Promise.allSettled(
      ["a", "b", "c", "d", "e"].map((name) => broker.consume(client.session, name, 1)),
    );
    expect(asked.map(({ status }) => status)).toEqual([
      ...Array<string>(3).fill("fulfilled"),
      ...Array<string>(2).fill("rejected"),
    ]);
  });
});

describe("a session", () => {
  test("is dealt nothing on the word of a connection that was replaced meanwhile", async () => {
    const former = new Client("d1");
    await former.publish("m");
    const asking = broker.consume(former.session, "q", 10);
    const next = new Client("d1", former.session.id);
    await expect(asking).rejects.toMatchObject({ code: "LEASE_LOST" });
    await settled();
    expect(former.wasReplaced).toBe(true);
    expect(next.given).toEqual([]);
    await broker.consume(next.session, "q", 10);
    await settled();
    expect(next.given).toHaveLength(1);
  });

  test("past its grace gives its deliveries to the next at once", async () => {
    const first = await consumer("d1");
    await first.publish("m");
    await settled();
    const second = await consumer("d2");
    broker.disconnect(first.session, first);
    await clock.pass(SETTINGS.graceMs);
    expect(second.refs).toEqual([{ id: "m", attempt: 2 }]);
  });
});

test("leases that run out together are all taken back at once, while none can be extended", async () => {
  const client = new Client("d1");
  for (const name of ["a", "b"]) {
    await broker.publish(client.session, [{ id: name, queue: name, event: "e" }]);
    await broker.consume(client.session, name, 10);
  }
  await settled();
  const settle = store.settle.bind(store);
  let goOn = (): void => {};
  const held = new Promise<void>((resolve) => (goOn = resolve));
  store.settle = (requests) => held.then(() => settle(requests));
  await clock.pass(SETTINGS.leaseMs + SETTINGS.tickMs);
  expect(client.revocations).toEqual(["a", "b"]);
  goOn();
  await settled();
});

describe("a drain", () => {
  test("lets those publish that have something in hand, and waits for their acks", async () => {
    const worker = await consumer("d1", 1);
    const other = new Client("d2");
    await worker.publish("work");
    await settled();
    const drained = jest.fn();
    void broker.drain(DRAIN_MS).then(drained);
    await expect(other.publish("new")).rejects.toMatchObject({ code: "DRAINING" });
    expect(await worker.publish("done")).toMatchObject([{ status: "stored" }]);
    await clock.pass(1_000);
    expect(drained).not.toHaveBeenCalled();
    await broker.ack(worker.session, "q", worker.refs);
    await clock.pass(1_000);
    expect(drained).toHaveBeenCalled();
    await expect(worker.publish("more")).rejects.toMatchObject({ code: "DRAINING" });
    expect(worker.given).toHaveLength(1);
  });

  test("ends at its limit, also when the clock is set back meanwhile", async () => {
    const worker = await consumer("d1");
    await worker.publish("work");
    await settled();
    const drained = jest.fn();
    void broker.drain(DRAIN_MS).then(drained);
    clock.set(clock.now() - 3_600_000);
    await clock.pass(DRAIN_MS - 1);
    expect(drained).not.toHaveBeenCalled();
    await clock.pass(SETTINGS.tickMs);
    expect(drained).toHaveBeenCalled();
  });
});

test("a queue that was found empty is still polled, for hints that were missed", async () => {
  const client = await consumer("d1");
  store.onHint(() => {});
  await client.publish("m");
  await settled();
  expect(client.given).toEqual([]);
  await clock.pass(16 * SETTINGS.tickMs);
  expect(client.refs).toEqual([{ id: "m", attempt: 1 }]);
});
