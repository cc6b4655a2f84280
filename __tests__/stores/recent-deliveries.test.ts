import fc from "fast-check";
import { RecentDeliveries } from "../../src/stores/ledger/recent-deliveries";

/** As many as it remembers in any case. */
const REMEMBERED = 30_000;

const ending = fc.record({
  queueNo: fc.integer({ min: 1, max: 2 }),
  no: fc.integer({ min: 0, max: 5 }),
  attempt: fc.integer({ min: 1, max: 3 }),
  acked: fc.boolean(),
});

test("knows how each delivery ended last, and which of an id that was", () => {
  fc.assert(
    fc.property(fc.array(ending, { maxLength: 100 }), (endings) => {
      const recent = new RecentDeliveries();
      const known = new Map<string, boolean>();
      const last = new Map<string, number>();
      for (const { queueNo, no, attempt, acked } of endings) {
        const name = `${queueNo} order-${no}`;
        recent.add(queueNo, `order-${no}`, attempt, acked);
        known.set(`${name} ${attempt}`, acked);
        last.set(name, attempt);
        for (const of of [1, 2]) {
          for (let each = 0; each <= 5; each++) {
            const other = `${of} order-${each}`;
            expect(recent.lastAttempt(of, `order-${each}`)).toBe(last.get(other) ?? 0);
            for (const at of [1, 2, 3]) {
              expect(recent.wasAcked(of, `order-${each}`, at)).toBe(known.get(`${other} ${at}`) ?? false);
            }
          }
        }
      }
    }),
  );
});

test("remembers so many, whatever came before, and not for ever", () => {
  const recent = new RecentDeliveries();
  for (let no = 0; no < 4 * REMEMBERED; no++) recent.add(no % 100, `order-${no}`, 1, true);
  const known = Array.from({ length: 4 * REMEMBERED }, (_, no) => no).filter((no) =>
    recent.wasAcked(no % 100, `order-${no}`, 1),
  );
  expect(known.at(-1)).toBe(4 * REMEMBERED - 1);
  expect(known.length).toBeGreaterThanOrEqual(REMEMBERED);
  expect(known[0]).toBe(4 * REMEMBERED - known.length);
});
