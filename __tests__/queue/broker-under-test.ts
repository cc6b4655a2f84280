/** A broker over a memory store and a clock that stands still, with connections that note what they are told. */
import type { DeliveryRef, PublishMessage, PublishResult } from "../../src/protocol/wire";
import { Broker, type BrokerSettings } from "../../src/queue/broker";
import type { Consuming, Consumption } from "../../src/queue/consumers";
import { identityOf } from "../../src/queue/identity";
import type { Delivery, QueueAddress } from "../../src/queue/message";
import type { QueueRules, RuleBook } from "../../src/queue/queue-rules";
import type { Receiver } from "../../src/queue/receiver";
import { parseRoute, routeTable } from "../../src/queue/routes";
import type { Session } from "../../src/queue/session";
import type { Store } from "../../src/queue/store";
import { openStore } from "../../src/stores/open-store";
import { rulesWith } from "../support/rules";
import { ManualClock, settled } from "./manual-clock";

const RULES = { maxAttempts: 5, backoffMs: 0, backoffMaxMs: 0 } satisfies Partial<QueueRules>;

export const SETTINGS = {
  graceMs: 5_000,
  prefetchBytes: 2 ** 20,
  maxPayloadBytes: 2 ** 16,
  tickMs: 250,
  maxUnconfirmedBytes: 2 ** 20,
  maxConsumersPerSession: 3,
  maxPublishPerSecond: 0,
} satisfies Omit<BrokerSettings, "rules">;

const STORE_SETTINGS = {
  maxQueues: 1_000,
  maxQueuesPerClient: 1_000,
  maxEndings: 1_000,
  dedupWindowMs: 60_000,
  dedupMaxIds: 10_000,
  historyMessages: 20,
  historyMs: 3_600_000,
  residentBytes: 2 ** 20,
  minFreeBytes: 0,
};

export interface BrokerOptions extends Partial<Omit<BrokerSettings, "rules">> {
  /** The hub's own rules, where they differ from those above. */
  readonly hubRules?: Partial<QueueRules>;
  /** As the settings have them; none where left out. */
  readonly routes?: readonly string[];
}

export class BrokerUnderTest {
  /** What the broker could tell no client. */
  readonly failures: unknown[] = [];
  /** By how much the clock was found to be set, each time. */
  readonly steps: number[] = [];
  readonly broker: Broker;

  private constructor(
    readonly clock: ManualClock,
    readonly store: Store,
    readonly rules: RuleBook,
    settings: Partial<BrokerSettings>,
    routes: readonly string[],
  ) {
    this.broker = new Broker(store, clock, { ...SETTINGS, rules, ...settings }, routeTable(routes.map(parseRoute)), {
      failed: (what, error) => this.failures.push(what, error),
      clockStepped: (byMs) => this.steps.push(byMs),
    });
  }

  static async open({ hubRules, routes = [], ...settings }: BrokerOptions = {}): Promise<BrokerUnderTest> {
    const rules = rulesWith({ ...RULES, ...hubRules });
    const clock = new ManualClock();
    const store = await openStore("memory:", { ...STORE_SETTINGS, rules }, () => {}, clock);
    return new BrokerUnderTest(clock, store, rules, settings, routes);
  }

  client(clientId: string, shown?: string, namespace = "/"): TestClient {
    return new TestClient(this.broker, clientId, shown, namespace);
  }

  /** A client that consumes the queue `q`, and has what it is given at first. */
  async consumer(clientId: string, how: Partial<Consumption> = {}): Promise<TestClient> {
    const client = this.client(clientId);
    await client.consume(how);
    return client;
  }

  /** Ends it, and holds it to having nothing to complain of. */
  async close(): Promise<void> {
    this.broker.close();
    await this.store.close();
    expect(this.failures.splice(0)).toEqual([]);
  }
}

/** A connection of a client that may do everything. */
export class TestClient implements Receiver {
  readonly session: Session;
  readonly given: Delivery[] = [];
  readonly revocations: string[] = [];
  wasReplaced = false;

  constructor(
    private readonly broker: Broker,
    clientId: string,
    shown: string | undefined,
    namespace: string,
  ) {
    this.session = broker.connect(namespace, identityOf(clientId, { operator: true }), this, shown).session;
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

  /** Consumes the queue `q`, and has what it is given at once. */
  async consume({ prefetch = 100, exclusive = false }: Partial<Consumption> = {}): Promise<Consuming> {
    const consuming = await this.broker.consume(this.session, "q", { prefetch, exclusive });
    await settled();
    return consuming;
  }

  /** Publishes to the queue `q`, and waits until what is to be given is given. */
  async publish(...ids: string[]): Promise<void> {
    const results = await this.publishAll(ids.map((id) => ({ id, queue: "q", event: "e" })));
    expect(results.map((result) => ("status" in result ? result.status : result.error))).toEqual(
      ids.map(() => "stored"),
    );
    await settled();
  }

  publishAll(messages: readonly PublishMessage[]): Promise<PublishResult[]> {
    return this.broker.publish(this.session, messages);
  }

  async ack(...ids: string[]): Promise<void> {
    const refs = this.refs.filter(({ id }) => ids.includes(id));
    const results = await this.broker.ack(this.session, "q", refs);
    expect(results).toEqual(ids.map((id) => ({ id, status: "acked" })));
    await settled();
  }

  /** The connection is cut. */
  async drop(): Promise<void> {
    this.broker.disconnect(this.session, this);
    await settled();
  }

  /** Ids, in the order in which they were given. */
  get ids(): string[] {
    return this.given.map(({ message }) => message.id);
  }

  get refs(): DeliveryRef[] {
    return this.given.map(({ message, attempt }) => ({ id: message.id, attempt }));
  }
}
