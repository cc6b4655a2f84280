import { describeTraced } from "../../clients/terminal/whereabouts";
import type { TracedMessage } from "../../src/protocol/wire";

const NOON = "2026-01-31T12:00:00.000Z";
const message = {
  queue: "driver",
  id: "m-1",
  seq: 12,
  event: "pickup",
  publishedAt: NOON,
  publisher: "acme",
  attempts: 0,
  failures: 0,
};
const published = `  pickup, seq 12, published ${NOON} by acme`;

test.each<[TracedMessage, string[]]>([
  [{ ...message, state: "ready" }, ["m-1 in driver: ready, waits for a consumer", published]],
  [
    { ...message, state: "ready", stuck: 'nobody consumes "driver"', group: "north" },
    [
      "m-1 in driver: ready, waits for a consumer",
      '  nobody consumes "driver"',
      `  pickup, group north, seq 12, published ${NOON} by acme`,
    ],
  ],
  [
    { ...message, state: "delayed", dueAt: NOON, stuck: "said already", attempts: 3, failures: 2, error: "away" },
    [`m-1 in driver: delayed until ${NOON}`, published, "  attempts 3, failures 2", "  last failure: away"],
  ],
  [
    { ...message, state: "ready", attempts: 1, error: "no such street" },
    [
      "m-1 in driver: ready, waits for a consumer",
      published,
      "  attempts 1, failures 0",
      "  last failure, before it was put back: no such street",
    ],
  ],
  [
    { ...message, state: "leased", leasedBy: { client: "d1", attempt: 1, until: NOON }, attempts: 1, stuck: "gone" },
    [`m-1 in driver: out with d1 (attempt 1), who has until ${NOON}`, "  gone", published, "  attempts 1, failures 0"],
  ],
  [
    { ...message, state: "dead", reason: "refused", diedAt: NOON, lastHolder: "d1", attempts: 1, failures: 1 },
    [
      `m-1 in driver: dead since ${NOON}: its consumer refused it; d1 had it last`,
      published,
      "  attempts 1, failures 1",
    ],
  ],
  [
    { ...message, state: "dead", reason: "expired", diedAt: NOON },
    [`m-1 in driver: dead since ${NOON}: its time to live passed`, published],
  ],
  [
    { queue: "driver", id: "m-1", state: "ended", how: "acked", at: NOON, attempt: 2, client: "d1" },
    [`m-1 in driver: acked by d1 at ${NOON} (attempt 2)`],
  ],
  [
    { queue: "driver", id: "m-1", state: "ended", how: "expired", at: NOON, attempt: 0 },
    [`m-1 in driver: expired at ${NOON} (never given out)`],
  ],
])("%j", (traced, lines) => {
  expect(describeTraced(traced)).toEqual(lines);
});

test("somebody else's texts do not move the cursor, and are not endless", () => {
  const [head = "", , error = ""] = describeTraced({
    ...message,
    id: "m\u001b[2J-1",
    state: "ready",
    error: "x".repeat(5_000),
  });
  expect(head).toBe("m-1 in driver: ready, waits for a consumer");
  expect(error.length).toBeLessThan(600);
});
