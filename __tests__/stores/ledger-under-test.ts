import { queueAddress, type Delivery, type QueueAddress } from "../../src/queue/message";
import type { SettleRequest, Settlement } from "../../src/queue/store";
import type { LedgerSettings } from "../../src/stores/ledger/ledger";
import { LedgerStore } from "../../src/stores/ledger/ledger-store";
import type { MemoryJournalSettings } from "../../src/stores/memory";
import { rulesWith } from "../support/rules";
import { SlowJournal } from "./slow-journal";

const SETTINGS: LedgerSettings = {
  rules: rulesWith({ maxMessages: 10_000 }),
  maxQueues: 50,
  maxQueuesPerClient: 50,
  residentBytes: 2 ** 30,
  laneWindow: 10_000,
  historyMessages: 20,
};

export const NOW = 1_800_000_000_000;
export const queue = queueAddress("/", "driver");

/** What a call rejects with while the journal fails. */
export const failed = { code: "STORE_UNAVAILABLE" };

/** A ledger on a journal that is as slow, and fails as often, as the test says. */
export class LedgerUnderTest {
  private constructor(
    readonly journal: SlowJournal,
    readonly store: LedgerStore,
  ) {}

  static async open(
    settings: Partial<LedgerSettings> = {},
    journalSettings: Partial<MemoryJournalSettings> = {},
  ): Promise<LedgerUnderTest> {
    const journal = new SlowJournal(journalSettings);
    return new LedgerUnderTest(journal, await LedgerStore.open(journal, { ...SETTINGS, ...settings }));
  }

  take(limit = 10_000, from: QueueAddress = queue, now = NOW): Promise<readonly Delivery[]> {
    return this.store.lease(from, [{ holder: "h1", client: "c", limit, limitBytes: 1e12 }], now, 30_000);
  }

  async takeOne(from: QueueAddress = queue): Promise<Delivery> {
    const [delivery] = await this.take(1, from);
    if (!delivery) throw new Error("nothing was leased");
    return delivery;
  }

  /** Takes whatever there is, with what has to be paged in for it. */
  async takeAll(from: QueueAddress = queue, now = NOW): Promise<string[]> {
    const taken: Delivery[] = [];
    for (let idle = 0; idle < 3; idle++) {
      const more = await this.take(10_000, from, now);
      taken.push(...more);
      if (more.length > 0) idle = 0;
      await turn();
    }
    return taken.map((delivery) => delivery.message.id);
  }

  /** Takes and acks, one message after the other, until there is none. */
  async drain(from: QueueAddress = queue, now = NOW): Promise<string[]> {
    const taken: string[] = [];
    for (let idle = 0; idle < 3; idle++) {
      const [delivery] = await this.take(1, from, now);
      await turn();
      if (delivery === undefined) continue;
      await this.store.settle([settling(delivery, { action: "ack" })]);
      taken.push(delivery.message.id);
      idle = 0;
    }
    return taken;
  }

  /** Does something while the journal refuses all that it is asked. */
  async whileFailing<Result>(act: () => Promise<Result>): Promise<PromiseSettledResult<Result>> {
    this.journal.failing = true;
    const [outcome] = await Promise.allSettled([act()]);
    await turn();
    this.journal.failing = false;
    if (outcome === undefined) throw new Error("nothing came of it");
    return outcome;
  }
}

export function settling(
  { message: { queue: from, id }, attempt, holder }: Delivery,
  settlement: Settlement,
): SettleRequest {
  return { queue: from, id, attempt, holder, settlement };
}

/** Lets what is under way go as far as it goes by itself. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
