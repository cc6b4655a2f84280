/** What messages may cost, in counts: a machine that is slow, or busy, changes them little, and a mistake a lot. */
import type { Post } from "../../src/stores/sqlite/calls";
import { handleCheck } from "../support/leak-check";
import { sqliteFile, startHub, stopHubs } from "../support/start-hub";
import { connectStock } from "../support/stock-client";
import { openLibrary, openStock, type OpenCarrier } from "./carrier";
import { HubMeter, type HubCounts } from "./hub-meter";
import { statementsOf } from "./statements";

const MESSAGES = 3_000;
/** On a machine that is busy with everything else. */
const PATIENCE_MS = 120_000;
/** As by default: polls come with time. */
const TICK_MS = 250;

/** At the most for 1,000 messages: about three times what was counted on a busy machine, or more. */
const BY_LIBRARY: HubCounts = { packetsIn: 60, packetsOut: 100, writes: 40, posts: 15, calls: 40, answers: 15 };
/** A packet for each publish and ack, and one for each answer, is what such a client asks for; nothing else is one by one. */
const BY_STOCK: HubCounts = { packetsIn: 2_000, packetsOut: 2_200, writes: 400, posts: 100, calls: 200, answers: 100 };

/** Statements of a transaction, whatever is in it: messages that come together are stored, and ended, together. */
const STATEMENTS_PER_COMMIT = 14;
/** Statements more for 1,000 messages: one for what fills a page of the file. */
const RUNS = 150;

afterAll(handleCheck());

describe.each<[who: string, open: OpenCarrier, most: HubCounts]>([
  ["the client library, 500 in flight", openLibrary, BY_LIBRARY],
  ["a stock client that publishes and acks one by one, 50 in flight", openStock, BY_STOCK],
])("1,000 messages through %s", (_who, open, most) => {
  let carried: Carried;
  let statements: ReadonlyMap<string, number>;

  beforeAll(async () => {
    carried = await carryThrough(open);
    statements = statementsOf(carried.posts);
  }, PATIENCE_MS);

  test.each(Object.keys(most) as (keyof HubCounts)[])("take few enough: %s", (kind) => {
    expect(carried.perThousand[kind]).toBeGreaterThan(0);
    expect(carried.perThousand[kind]).toBeLessThanOrEqual(most[kind]);
  });

  test("are answered once a transaction, in which several posts may go", () => {
    expect(carried.answers).toBeLessThanOrEqual(carried.posts.length);
  });

  test("take no more than one transaction a post", () => {
    expect(statements.get("COMMIT")).toBe(carried.posts.length);
  });

  test("take few statements a transaction, however many they are, and one for each page of what they say", () => {
    const all = [...statements.values()].reduce((sum, count) => sum + count, 0);
    const runs = statements.get("INSERT block_runs") ?? 0;
    expect((all - runs) / carried.posts.length).toBeLessThanOrEqual(STATEMENTS_PER_COMMIT);
    expect(runs / (MESSAGES / 1_000)).toBeGreaterThan(0);
    expect(runs / (MESSAGES / 1_000)).toBeLessThanOrEqual(RUNS);
  });
});

test("a connection takes three writes: what opens it, with Engine.IO's first packet, Socket.IO's, and the welcome", async () => {
  const COUNT = 10;
  const meter = new HubMeter();
  try {
    const hub = await startHub({ tickMs: TICK_MS });
    for (let each = 0; each < COUNT; each++) await connectStock(hub.url, { auth: { clientId: `driver-${each}` } });
    expect(meter.read().writes).toBe(3 * COUNT);
  } finally {
    await stopHubs();
    meter.stop();
  }
});

interface Carried {
  /** What 1,000 messages cost the hub. */
  readonly perThousand: HubCounts;
  /** All that went to its storage thread, from start to stop, and how many answers came. */
  readonly posts: readonly Post[];
  readonly answers: number;
}

/** Carries messages through a hub on a file of its own. */
async function carryThrough(open: OpenCarrier): Promise<Carried> {
  const meter = new HubMeter();
  try {
    const hub = await startHub({ store: sqliteFile(), tickMs: TICK_MS });
    const carrier = await open(hub.url);
    const before = meter.read();
    await carrier.carry(MESSAGES);
    const after = meter.read();
    await stopHubs();
    return { perThousand: perThousand(before, after), posts: meter.posted, answers: meter.read().answers };
  } finally {
    await stopHubs();
    meter.stop();
  }
}

function perThousand(before: HubCounts, after: HubCounts): HubCounts {
  const cost = (kind: keyof HubCounts): number => ((after[kind] - before[kind]) * 1_000) / MESSAGES;
  return {
    packetsIn: cost("packetsIn"),
    packetsOut: cost("packetsOut"),
    writes: cost("writes"),
    posts: cost("posts"),
    calls: cost("calls"),
    answers: cost("answers"),
  };
}
