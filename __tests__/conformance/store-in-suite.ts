import { SystemClock, type Clock, type Timer } from "../../src/queue/clock";
import {
  queueAddress,
  roomAddress,
  type DeadSelection,
  type Delivery,
  type NewMessage,
  type QueueAddress,
  type RoomAddress,
  type Trace,
} from "../../src/queue/message";
import type { SettleRequest, Settlement, Store } from "../../src/queue/store";
import type { StoreSettings } from "../../src/stores/open-store";
import { rulesWith } from "../support/rules";

/** Settings small enough that every limit is met by a test. */
export const SUITE_SETTINGS: StoreSettings = {
  rules: rulesWith({ maxMessages: 500 }),
  maxQueues: 50,
  maxQueuesPerClient: 50,
  maxEndings: 1_000,
  dedupWindowMs: 60_000,
  dedupMaxIds: 10_000,
  historyMessages: 20,
  historyMs: 3_600_000,
  residentBytes: 64 * 1024,
  laneWindow: 16,
};

/** How a store ends before it is opened again: in order, or as its files stand when its process dies. */
export type End = "closed" | "crashed";

/** A store under test. */
export interface StoreUnderTest {
  /** Opens an empty one. What it notes the time of, it takes from this clock. */
  open(settings: StoreSettings, clock: Clock): Promise<Store>;
  /** Opens what the last store left behind. Undefined: it forgets. */
  reopen?(how: End, settings?: StoreSettings): Promise<Store>;
  cleanUp(): Promise<void>;
}

export const NOW = 1_800_000_000_000;
export const LEASE_MS = 30_000;
export const queue = queueAddress("/", "driver");
export const room: RoomAddress = roomAddress("/", "north");
export const ada = queueAddress("/", "@ada");
export const bob = queueAddress("/", "@bob");

export const ack = { action: "ack" } as const;
export const again = { action: "retry", dueAt: undefined, error: "failed" } as const;
export const poisoned = { action: "dead", reason: "refused", error: "poison" } as const;

export function message(id: string, fields: Partial<NewMessage> = {}): NewMessage {
  return {
    target: queue,
    id,
    event: "pickup",
    payload: JSON.stringify({ id }),
    priority: 4,
    group: undefined,
    headers: undefined,
    publisher: "acme",
    publishedAt: NOW,
    dueAt: undefined,
    isDueFixed: false,
    expiresAt: undefined,
    ...fields,
  };
}

/** Messages `m0000`, `m0001`, and so on. */
export function numbered(count: number, fields: Partial<NewMessage> = {}): NewMessage[] {
  return Array.from({ length: count }, (_, index) => message(`m${String(index).padStart(4, "0")}`, fields));
}

export function ids(deliveries: readonly Delivery[]): string[] {
  return deliveries.map((delivery) => delivery.message.id);
}

export function settling(
  { message: { queue: from, id }, attempt, holder }: Delivery,
  settlement: Settlement,
): SettleRequest {
  return { queue: from, id, attempt, holder, settlement };
}

/** Turns of the event loop that its timers wait. */
const TIMER_TURNS = 3;

/** A clock whose time of day is what the test says, and which otherwise runs the same every time. */
export class SetClock extends SystemClock {
  time = NOW;
  private steadyMs = 0;

  override now(): number {
    return this.time;
  }

  override steady(): number {
    return this.steadyMs++;
  }

  override setTimer(callback: () => void): Timer {
    let turnsLeft: number = TIMER_TURNS;
    const wait = (): void => {
      if (turnsLeft-- > 0) setImmediate(wait);
      else if (turnsLeft === -1) callback();
    };
    wait();
    return { cancel: () => (turnsLeft = -1) };
  }
}

/** The store that the suite's tests work on: a fresh one for each of them. */
export class StoreInSuite {
  private opened: Store | undefined;
  private readonly clock = new SetClock();
  private hinted = (): void => {};

  constructor(private readonly subject: StoreUnderTest) {}

  get store(): Store {
    if (this.opened === undefined) throw new Error("no test has opened the store");
    return this.opened;
  }

  /** How this store can be ended and opened again: not at all, if it forgets. */
  get ends(): readonly End[] {
    return this.subject.reopen ? ["closed", "crashed"] : [];
  }

  /** Sets what the store takes for the time of day. */
  readonly setTime = (time: number): void => {
    this.clock.time = time;
  };

  readonly open = async (settings: Partial<StoreSettings> = {}): Promise<void> => {
    await this.close();
    this.clock.time = NOW;
    this.use(await this.subject.open({ ...SUITE_SETTINGS, ...settings }, this.clock));
  };

  readonly reopen = async (how: End, settings?: Partial<StoreSettings>): Promise<void> => {
    if (this.subject.reopen === undefined) throw new Error("this store forgets");
    this.use(await this.subject.reopen(how, settings && { ...SUITE_SETTINGS, ...settings }));
  };

  readonly close = async (): Promise<void> => {
    if (this.opened === undefined) return;
    await this.opened.close();
    this.opened = undefined;
    await this.subject.cleanUp();
  };

  /** Leases until `count` are out: what is on disk comes in pages, announced by hints. */
  readonly lease = async (count: number, from: QueueAddress = queue, now = NOW, holder = "h1"): Promise<Delivery[]> => {
    const deliveries: Delivery[] = [];
    while (deliveries.length < count) {
      const hint = this.nextHint();
      const limit = count - deliveries.length;
      const requests = [{ holder, client: "c", limit, limitBytes: 1e9 }];
      const more = await this.store.lease(from, requests, now, LEASE_MS);
      deliveries.push(...more);
      if (more.length === 0) await hint;
    }
    return deliveries;
  };

  readonly leaseNone = async (from: QueueAddress = queue, now = NOW): Promise<void> => {
    const all = { limit: 1_000, limitBytes: 1e9 };
    expect(ids(await this.store.lease(from, [{ holder: "h1", client: "c", ...all }], now, LEASE_MS))).toEqual([]);
  };

  readonly takeOne = async (from: QueueAddress = queue, now = NOW, holder = "h1"): Promise<Delivery> => {
    const [delivery] = await this.lease(1, from, now, holder);
    if (!delivery) throw new Error("nothing was leased");
    return delivery;
  };

  readonly settle = async (delivery: Delivery, settlement: Settlement): Promise<string | undefined> => {
    return (await this.store.settle([settling(delivery, settlement)]))[0];
  };

  /** Makes dead letters of the next so many messages of a queue. */
  readonly kill = async (count: number, from: QueueAddress = queue, error = "poison"): Promise<void> => {
    const deliveries = await this.lease(count, from);
    await this.store.settle(deliveries.map((each) => settling(each, { action: "dead", reason: "refused", error })));
  };

  /** Says where the messages of an id are, without what they say. */
  readonly whereIs = async (id: string, from?: QueueAddress): Promise<readonly Where[]> => {
    return (await this.store.trace(id, "/", from)).found.map(whereOf);
  };

  /** Waits until what the store does by itself is done: it follows from what was done before, in a few steps. */
  readonly rest = async (): Promise<void> => {
    for (let step = 0; step < 4; step++) {
      await this.store.probe();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  };

  /** Ids of a queue's dead letters, the oldest first. */
  readonly deadIds = async (selection: DeadSelection = {}, from: QueueAddress = queue): Promise<string[]> => {
    return (await this.store.deadLetters(from, selection, 1_000, 0)).map((letter) => letter.message.id);
  };

  /** Whether something is said to be ready while this is done. */
  readonly isHinted = async (task: () => Promise<unknown>): Promise<boolean> => {
    let hinted = false;
    void this.nextHint().then(() => (hinted = true));
    await task();
    return hinted;
  };

  private nextHint(): Promise<void> {
    return new Promise((resolve) => (this.hinted = resolve));
  }

  private use(store: Store): void {
    this.opened = store;
    store.onHint(() => this.hinted());
  }
}

/** The same tests for each way in which a store can end. */
export function describeEachEnd(on: StoreInSuite, describeEnd: (how: End) => void): void {
  for (const how of on.ends) describe(`${how} and opened again`, () => describeEnd(how));
}

/** A trace in few words: `leased`, `ready behind 3`, `acked`. */
export type Where = string;

function whereOf(trace: Trace): Where {
  switch (trace.state) {
    case "ready":
      return trace.waitsFor ? `waits for ${trace.waitsFor.what}` : "ready";
    case "ended":
      return trace.ending.how;
    default:
      return trace.state;
  }
}
