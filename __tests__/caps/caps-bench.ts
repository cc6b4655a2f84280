import { capsDialect, type CapsOptions } from "../../src/caps";
import type { DeliveryRef } from "../../src/protocol/wire";
import { Broker, type BrokerSettings } from "../../src/queue/broker";
import { systemClock } from "../../src/queue/clock";
import type { DialectConnection, DialectLine } from "../../src/queue/dialect";
import { identityOf, type Grants } from "../../src/queue/identity";
import type { Delivery, QueueAddress } from "../../src/queue/message";
import type { Receiver } from "../../src/queue/receiver";
import { routeTable } from "../../src/queue/routes";
import type { Session } from "../../src/queue/session";
import type { Store } from "../../src/queue/store";
import { openStore } from "../../src/stores/open-store";
import { rulesWith } from "../support/rules";

const NAMESPACE = "/caps";

/** What a client is given: the argument of an event, loosely, as a student's client sees it. */
export interface Given {
  event: string;
  messageId: string;
  orderId?: string;
  clientId: string;
  queueId: string;
  order: unknown;
  time: string;
  attempt: number;
  [field: string]: unknown;
}

/** A connection of the dialect without a socket: its line and its receiver in one. */
export class FakeConnection implements Receiver, DialectLine {
  readonly emitted: { event: string; given: Given }[] = [];
  readonly logged: { event: string; time: string; payload: object; text: string }[] = [];
  /** Deliveries that the dialect left to the protocol. */
  readonly plain: Delivery[] = [];
  /** Ids of leases that were taken back. */
  readonly lost: string[] = [];
  readonly session: Session;
  private readonly dialect: DialectConnection;
  private wake: () => void = () => undefined;

  constructor(
    readonly broker: Broker,
    options: CapsOptions,
    clientId: string,
    public standing: DialectLine["standing"],
    grants: Grants,
    shown: string | undefined,
  ) {
    this.session = broker.connect(NAMESPACE, identityOf(clientId, grants), this, shown).session;
    this.dialect = capsDialect(options).open(this);
  }

  emit(event: string, argument: object): void {
    // Through JSON, as a socket does it.
    this.emitted.push({ event, given: JSON.parse(JSON.stringify(argument)) as Given });
    this.wake();
  }

  becomeClient(clientId: string): boolean {
    if (this.standing === "anonymous") {
      this.standing = "stated";
      this.session.identity = identityOf(clientId, {});
    }
    return this.session.identity.clientId === clientId;
  }

  log(fields: object, text: string): void {
    this.logged.push({ ...(fields as { event: string; time: string; payload: object }), text });
  }

  async request(name: string, argument?: unknown): Promise<Record<string, unknown>> {
    const handle = this.dialect.requests.get(name);
    if (handle === undefined) throw new Error(`the dialect has no "${name}"`);
    return { ...(await handle(argument)) };
  }

  /** Resolves with what was given so far once it is `count` things. */
  async given(count: number): Promise<Given[]> {
    while (this.emitted.length < count) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.emitted.map(({ given }) => given);
  }

  disconnect(): void {
    this.broker.disconnect(this.session, this);
  }

  deliver(queue: QueueAddress, deliveries: readonly Delivery[], again: boolean): void {
    if (!this.dialect.deliver(queue, deliveries, again)) this.plain.push(...deliveries);
  }

  revoked(queue: QueueAddress, refs: readonly DeliveryRef[], reason: string): void {
    expect(this.dialect.revoked(queue, refs, reason)).toBe(true);
    this.lost.push(...refs.map(({ id }) => id));
  }

  replaced(): void {}
}

export interface Bench {
  readonly broker: Broker;
  readonly store: Store;
  /** An open hub's connection; without a name it stated no identity. */
  open(clientId?: string, shown?: string): FakeConnection;
  withToken(clientId: string, grants?: Grants): FakeConnection;
  close(): Promise<void>;
}

/** The dialect over a real broker and the memory store. */
export async function openBench(options: CapsOptions = {}, settings: Partial<BrokerSettings> = {}): Promise<Bench> {
  const store = await openStore(
    "memory:",
    {
      rules: rulesWith({ maxMessages: 10_000 }),
      maxQueuesPerClient: 1_000,
      maxEndings: 1_000,
      maxQueues: 1_000,
      dedupWindowMs: 60_000,
      dedupMaxIds: 10_000,
      historyMessages: 100,
      historyMs: 60_000,
      residentBytes: 2 ** 24,
    },
    (error) => {
      throw error;
    },
  );
  const failures: string[] = [];
  const broker = new Broker(
    store,
    systemClock,
    {
      rules: rulesWith({ maxAttempts: 5, backoffMs: 1, backoffMaxMs: 2 }),
      graceMs: 0,
      prefetchBytes: 2 ** 20,
      maxPayloadBytes: 2 ** 16,
      tickMs: 5,
      maxUnconfirmedBytes: 2 ** 20,
      maxConsumersPerSession: 10,
      maxPublishPerSecond: 0,
      ...settings,
    },
    routeTable([]),
    { failed: (what, error) => failures.push(`${what}: ${String(error)}`), clockStepped: () => undefined },
  );
  let anonymous = 0;
  return {
    broker,
    store,
    open: (clientId, shown) =>
      clientId === undefined
        ? new FakeConnection(broker, options, `anonymous-${++anonymous}`, "anonymous", {}, shown)
        : new FakeConnection(broker, options, clientId, "stated", {}, shown),
    withToken: (clientId, grants = {}) => new FakeConnection(broker, options, clientId, "proven", grants, undefined),
    async close() {
      broker.close();
      await store.close();
      expect(failures).toEqual([]);
    },
  };
}
