import { MAX_PASSES } from "../../../src/stores/ledger/queue-state";
import { NOW, ack, ada, describeEachEnd, ids, message, numbered, settling, type StoreInSuite } from "../store-in-suite";

/** Priorities, and what they may not do. */
export function describePriority(on: StoreInSuite): void {
  const { open, reopen, lease } = on;

  /** Takes messages in portions, settled at once, until so many were given out. @returns their ids. */
  async function drain(count: number, portion: number): Promise<string[]> {
    const taken: string[] = [];
    while (taken.length < count) {
      const deliveries = await lease(Math.min(portion, count - taken.length));
      taken.push(...ids(deliveries));
      await on.store.settle(deliveries.map((delivery) => settling(delivery, ack)));
    }
    return taken;
  }

  const high = (count: number): ReturnType<typeof numbered> =>
    numbered(count, { priority: 9 }).map((each) => ({ ...each, id: `high${each.id}` }));

  describe.each([
    ["one at a time", 1],
    ["many at once", 100],
  ])("a flood of high priority, taken %s,", (_how, portion) => {
    test(`lets one of lower priority that is older go after ${MAX_PASSES}`, async () => {
      await on.store.append([
        message("low0", { priority: 0 }),
        message("mid", { priority: 4 }),
        message("low1", { priority: 0 }),
      ]);
      await on.store.append(high(4 * MAX_PASSES));
      const order = await drain(4 * MAX_PASSES + 3, portion);
      expect(["low0", "mid", "low1"].map((id) => order.indexOf(id))).toEqual([
        MAX_PASSES,
        2 * MAX_PASSES + 1,
        3 * MAX_PASSES + 2,
      ]);
    });

    test("does so also where the lower ones are only on disk", async () => {
      await open({ residentBytes: 20_000, laneWindow: 1_000 });
      // While these take up all memory that there is, what comes goes to the disk alone.
      await on.store.append(numbered(80, { target: ada }));
      await on.store.append(numbered(5, { priority: 0 }));
      const filler = await lease(80, ada);
      await on.store.settle(filler.map((delivery) => settling(delivery, ack)));
      await on.store.append(high(60));
      const order = await drain(65, portion);
      expect(["m0000", "m0001", "m0002"].map((id) => order.indexOf(id))).toEqual([
        MAX_PASSES,
        2 * MAX_PASSES + 1,
        3 * MAX_PASSES + 2,
      ]);
    });

    test("does so also where the lower ones are paged in", async () => {
      await on.store.append(numbered(40, { priority: 0 }));
      await on.store.append(high(150));
      const order = await drain(150, portion);
      const lows = order.flatMap((id, at) => (id.startsWith("high") ? [] : [at]));
      expect(lows).toEqual(lows.map((_, index) => (index + 1) * (MAX_PASSES + 1) - 1));
      expect(lows.length).toBeGreaterThan(7);
    });

    test("owes nothing to what came later", async () => {
      await on.store.append([...high(40), message("late", { priority: 0 })]);
      const order = await drain(41, portion);
      expect(order.indexOf("late")).toBe(40);
    });

    test("does not count what has expired as its turn", async () => {
      await on.store.append([
        message("expired", { priority: 0, expiresAt: NOW }),
        message("low", { priority: 0 }),
        ...high(MAX_PASSES * 2),
      ]);
      const order = await drain(MAX_PASSES * 2 + 1, portion);
      expect(order.indexOf("low")).toBe(MAX_PASSES);
    });

    describeEachEnd(on, (how) => {
      test("starts counting anew, and reads the oldest first when their turn has come", async () => {
        await on.store.append(numbered(5, { priority: 0 }));
        await on.store.append(high(60));
        await reopen(how);
        const order = await drain(65, portion);
        expect(order.indexOf("m0000")).toBe(MAX_PASSES);
        expect(order.indexOf("m0001")).toBe(2 * MAX_PASSES + 1);
      });
    });
  });
}
