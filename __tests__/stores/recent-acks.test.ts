import fc from "fast-check";
import { RecentAcks } from "../../src/stores/ledger/recent-acks";

/** As many as it remembers in any case. */
const REMEMBERED = 30_000;

const step = fc.record({
  what: fc.constantFrom("add", "add", "forget", "forget another"),
  queueNo: fc.integer({ min: 1, max: 3 }),
  no: fc.integer({ min: 0, max: 20 }),
});

test("knows the last attempt that was acked of each id in each queue", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const acks = new RecentAcks();
      const known = new Map<string, number>();
      steps.forEach(({ what, queueNo, no }, at) => {
        const id = `order-${no}`;
        const key = `${queueNo} ${id}`;
        const former = known.get(key);
        if (what === "add") {
          acks.add(queueNo, id, at + 1);
          known.set(key, at + 1);
        } else if (what === "forget" && former !== undefined) {
          acks.forget(queueNo, id, former);
          known.delete(key);
        } else {
          acks.forget(queueNo, id, steps.length + 1);
        }
        expect(acks.has(queueNo, id, at + 1)).toBe(known.get(key) === at + 1);
        if (former !== undefined) expect(acks.has(queueNo, id, former)).toBe(known.get(key) === former);
      });
    }),
  );
});

test("remembers so many, whatever came before, and not for ever", () => {
  const acks = new RecentAcks();
  for (let no = 0; no < 4 * REMEMBERED; no++) acks.add(no % 100, `order-${no}`, 1);
  const known = Array.from({ length: 4 * REMEMBERED }, (_, no) => no).filter((no) =>
    acks.has(no % 100, `order-${no}`, 1),
  );
  expect(known.at(-1)).toBe(4 * REMEMBERED - 1);
  expect(known.length).toBeGreaterThanOrEqual(REMEMBERED);
  expect(known[0]).toBe(4 * REMEMBERED - known.length);
});

test("one that is acked again is remembered as long as any other", () => {
  const acks = new RecentAcks();
  acks.add(1, "often", 1);
  for (let no = 0; no < REMEMBERED; no++) acks.add(1, `order-${no}`, 1);
  acks.add(1, "often", 2);
  for (let no = 0; no < REMEMBERED - 1; no++) acks.add(1, `later-${no}`, 1);
  expect(acks.has(1, "often", 2)).toBe(true);
});
