import fc from "fast-check";
import { RecentAcks } from "../../src/stores/ledger/recent-acks";

/** As many as it remembers in any case. */
const REMEMBERED = 30_000;

const step = fc.record({
  what: fc.constantFrom<("add" | "forget")[]>("add", "add", "forget"),
  queueNo: fc.integer({ min: 1, max: 2 }),
  no: fc.integer({ min: 0, max: 5 }),
  attempt: fc.integer({ min: 1, max: 2 }),
});

test("knows each delivery that was acked, and none that was forgotten since", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const acks = new RecentAcks();
      const known = new Map<string, (typeof steps)[number]>();
      for (const each of steps) {
        const { what, queueNo, no, attempt } = each;
        acks[what](queueNo, `order-${no}`, attempt);
        known.set(`${queueNo} ${no} ${attempt}`, each);
        for (const { what: last, ...of } of known.values()) {
          expect(acks.has(of.queueNo, `order-${of.no}`, of.attempt)).toBe(last === "add");
        }
      }
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
