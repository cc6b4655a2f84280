import { queueAddress, type Message } from "../../src/queue/message";
import { settleNack, type Nack, type RetryPolicy } from "../../src/queue/settlement";

const NOW = 1_800_000_000_000;
const POLICY: RetryPolicy = { maxAttempts: 10, backoffMs: 1_000, backoffMaxMs: 60_000 };

/** Milliseconds until the next attempt of a message that has failed so often before, with jitter at this place of its half. */
function delayAfter(failures: number, nack: Nack = {}, random = 1): number {
  const message: Message = {
    seq: 1,
    queue: queueAddress("/", "q"),
    id: "m",
    event: "e",
    payload: "null",
    priority: 4,
    group: undefined,
    headers: undefined,
    publisher: "acme",
    publishedAt: NOW,
    expiresAt: undefined,
    room: undefined,
    attempts: failures + 1,
    failures,
    lastError: undefined,
  };
  const settlement = settleNack(message, nack, POLICY, NOW, () => random);
  if (settlement.action !== "retry") throw new Error(`it is not tried again, but ${settlement.action}`);
  return (settlement.dueAt ?? NOW) - NOW;
}

test("the backoff doubles with each failure, up to its bound", () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7].map((failures) => delayAfter(failures))).toEqual([
    1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000,
  ]);
});

test("the backoff's upper half is jitter", () => {
  expect([0, 0.5, 1].map((random) => delayAfter(2, {}, random))).toEqual([2_000, 3_000, 4_000]);
});

test("a nack's own delay goes before the backoff", () => {
  expect(delayAfter(5, { delayMs: 7 })).toBe(7);
  expect(delayAfter(5, { delayMs: 0 })).toBe(0);
});

test("what is released comes back as it came, also where one more failure would be the last", () => {
  expect(delayAfter(POLICY.maxAttempts - 1, { release: true })).toBe(0);
});
