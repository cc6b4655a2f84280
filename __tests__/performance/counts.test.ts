/** What messages may cost, in counts: a machine that is slow, or busy, changes them little, and a mistake a lot. */
import type { Post } from "../../src/stores/sqlite/calls";
import { handleCheck } from "../support/leak-check";
import { sqliteFile, startHub, stopHubs } from "../support/start-hub";
import { openLibrary, openStock, type OpenCarrier } from "./carrier";
import { HubMeter, type HubCounts } from "./hub-meter";
import { statementsOf } from "./statements";

const MESSAGES = 3_000;
/** On a machine that is busy with everything else. */
const PATIENCE_MS = 120_000;
/** As by default: polls come with time. */
const TICK_MS = 250;

/** At the most for 1,000 messages: three to four times what was counted, on idle and on busy machines, on fast disks and slow. */
const BY_LIBRARY: HubCounts = { packetsIn: 60, packetsOut: 100, writes: 40, posts: 15, calls: 40, answers: 15 };
/** A packet for each publish and ack, and one for each answer, is what such a client asks for; nothing else is one by one. */
const BY_STOCK: HubCounts = { packetsIn: 2_000, packetsOut: 2_200, writes: 400, posts: 100, calls: 200, answers: 100 };

/** Statements of a transaction besides those for its messages, at the most. */
const STATEMENTS_PER_COMMIT = 12;

afterAll(handleCheck());

describe.each<[who: string, open: OpenCarrier, most: HubCounts]>([
  ["the client library, 500 in flight", openLibrary, BY_LIBRARY],
  ["a stock client that publishes and acks one by one, 50 in flight", openStock, BY_STOCK],
])("1,000 messages through %s", (_who, open, most) => {
  let counts: HubCounts;
  let posts: readonly Post[];

  beforeAll(async () => {
    ({ counts, posts } = await carryThrough(open));
  }, PATIENCE_MS);

  test.each(Object.keys(most) as (keyof HubCounts)[])("take few enough: %s", (kind) => {
    expect(counts[kind]).toBeGreaterThan(0);
    expect(counts[kind]).toBeLessThanOrEqual(most[kind]);
  });

  test("take one transaction a post, and three statements each: its id, the message, its end", () => {
    const statements = [...statementsOf(posts)];
    const perMessage = statements.filter(([, count]) => count >= MESSAGES / 2);
    const others = statements.filter((statement) => !perMessage.includes(statement));

    expect(Object.fromEntries(perMessage)).toEqual({
      "INSERT ids_0": MESSAGES,
      "INSERT messages": MESSAGES,
      "DELETE messages": MESSAGES,
    });
    expect(Object.fromEntries(others)).toMatchObject({ BEGIN: posts.length, COMMIT: posts.length });
    const perCommit = others.reduce((sum, [, count]) => sum + count, 0) / posts.length;
    expect(perCommit).toBeLessThanOrEqual(STATEMENTS_PER_COMMIT);
  });
});

/** Carries messages through a hub on a file of its own. @returns what 1,000 of them cost it, and all that it posted. */
async function carryThrough(open: OpenCarrier): Promise<{ counts: HubCounts; posts: readonly Post[] }> {
  const meter = new HubMeter();
  try {
    const hub = await startHub({ store: sqliteFile(), tickMs: TICK_MS });
    const carrier = await open(hub.url);
    const before = meter.read();
    await carrier.carry(MESSAGES);
    const after = meter.read();
    await stopHubs();
    return { counts: perThousand(before, after), posts: meter.posted };
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
