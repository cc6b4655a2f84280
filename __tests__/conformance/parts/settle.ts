import type { Delivery } from "../../../src/queue/message";
import type { Settlement } from "../../../src/queue/store";
import { LEASE_MS, NOW, ack, ada, again, ids, message, numbered, queue, type StoreInSuite } from "../store-in-suite";

/** What becomes of a delivery. */
export function describeSettle(on: StoreInSuite): void {
  const { open, lease, leaseNone, takeOne, settle, isHinted } = on;

  describe("settle", () => {
    test("an ack ends a message, a second one is harmless", async () => {
      await on.store.append([message("a")]);
      const delivery = await takeOne();
      expect(await settle(delivery, ack)).toBe("done");
      expect(await settle(delivery, ack)).toBe("already");
      expect(await on.store.stats(queue)).toMatchObject({ ready: 0, leased: 0 });
      await leaseNone();
    });

    test("two acks under way at once end it once", async () => {
      await on.store.append([message("a")]);
      const delivery = await takeOne();
      expect(await Promise.all([settle(delivery, ack), settle(delivery, ack)])).toEqual(["done", "already"]);
    });

    /** Past the dedup window an id is a new message's. */
    const forgetIds = async (): Promise<void> => {
      for (let round = 0; round < 3; round++) {
        await on.store.append(numbered(3, { target: ada }).map((each) => ({ ...each, id: `${each.id}/${round}` })));
      }
    };

    test("the end of a message is hinted at where one of the same id waits behind it", async () => {
      await open({ dedupMaxIds: 2 });
      await on.store.append([message("x")]);
      await forgetIds();
      await on.store.append([message("x")]);
      const first = await takeOne();
      await leaseNone();
      expect(await isHinted(() => settle(first, ack))).toBe(true);
      expect(await takeOne()).toMatchObject({ message: { id: "x" }, attempt: 2 });
    });

    describe.each<[string, Settlement, attempt: number]>([
      ["acked", ack, 1],
      ["dead", { action: "dead", reason: "refused", error: "no" }, 1],
      ["tried again later", { ...again, dueAt: NOW + LEASE_MS }, 1],
    ])("a delivery that was %s, settled once more", (_how, settlement, attempt) => {
      test.each<[string, Settlement]>([
        ["an ack", ack],
        ["a refusal", { action: "dead", reason: "refused", error: "no" }],
        ["a nack", again],
      ])("by %s, is not taken for the next one of its id, which the same holder has", async (_what, late) => {
        await open({ dedupMaxIds: 2 });
        await on.store.append([message("x")]);
        await forgetIds();
        await on.store.append([message("x")]);
        const first = await takeOne();
        expect(await settle(first, settlement)).toBe("done");
        const second = await takeOne();
        expect([first.attempt, second.attempt, second.holder]).toEqual([attempt, attempt + 1, first.holder]);
        expect(second.message.seq).toBeGreaterThan(first.message.seq);
        expect(await settle(first, late)).not.toBe("done");
        expect(await on.store.stats(queue)).toMatchObject({ leased: 1 });
        expect(await settle(second, ack)).toBe("done");
      });
    });

    describe("a message with the id of one that was acked before", () => {
      const acked = async (): Promise<Delivery> => {
        await open({ dedupMaxIds: 2 });
        await on.store.append([message("x")]);
        const former = await takeOne();
        expect(await settle(former, ack)).toBe("done");
        await forgetIds();
        expect(await on.store.append([message("x")])).toMatchObject([{ status: "stored" }]);
        return former;
      };

      test("has a name of its own: a second ack of the former is known as such, whoever has it", async () => {
        const former = await acked();
        for (const holder of [former.holder, "h2"]) {
          const delivery = await takeOne(queue, NOW, holder);
          expect(await settle(former, ack)).toBe("already");
          expect(await settle(delivery, { ...again, error: undefined })).toBe("done");
        }
        expect(await on.store.stats(queue)).toMatchObject({ ready: 1, dead: 0 });
      });

      const lapsing = (settlement: Settlement) => async (): Promise<void> => {
        const former = await acked();
        const delivery = await takeOne(queue, NOW, "h2");
        expect(delivery).toMatchObject({ attempt: former.attempt + 1, holder: "h2" });
        expect(await on.store.expire(NOW + LEASE_MS)).toMatchObject([{ message: { id: "x" }, attempt: 2 }]);
        const ending = settle(delivery, settlement);
        // Also when it comes before the end of the lease is stored.
        expect(await settle(delivery, ack)).toBe("lost");
        expect(await ending).toBe("done");
        expect(await settle(delivery, ack)).toBe("lost");
        const { ready, delayed, dead } = await on.store.stats(queue);
        expect(ready + delayed + dead).toBe(1);
      };

      test("is not taken for it when its lease lapsed: a late ack is lost", lapsing(again));
      test("nor when it is tried again later", lapsing({ ...again, dueAt: NOW + LEASE_MS + 1_000 }));
      test("nor when it was given back without a failure", lapsing({ ...again, error: undefined }));
      test("nor when it is dead", lapsing({ action: "dead", reason: "attempts", error: "the lease ran out" }));
    });

    test("refuses another holder, another attempt, an unknown id, and changes nothing", async () => {
      await on.store.append([message("a")]);
      const delivery = await takeOne();
      const strangers = [
        { ...delivery, holder: "h2" },
        { ...delivery, attempt: 2 },
        { ...delivery, message: { ...delivery.message, id: "b" } },
      ];
      for (const stranger of strangers) {
        for (const settlement of [
          ack,
          again,
          { action: "dead", reason: "refused", error: "r" },
          { action: "extend", deadline: NOW },
        ] as const) {
          expect(await settle(stranger, settlement)).toBe("lost");
        }
      }
      expect(await settle(delivery, ack)).toBe("done");
    });

    test("a retry comes again, in its place, under the next attempt", async () => {
      await on.store.append(numbered(3));
      const first = await takeOne();
      expect(await settle(first, again)).toBe("done");
      const [second, next] = await lease(2, queue, NOW, "h2");
      expect(second).toMatchObject({ attempt: 2, message: { id: "m0000", failures: 1 } });
      expect(next?.message.id).toBe("m0001");
      expect(await settle(first, ack)).toBe("lost");
    });

    test("a release is no failure", async () => {
      await on.store.append([message("a")]);
      await settle(await takeOne(), { action: "retry", dueAt: undefined, error: undefined });
      expect(await takeOne()).toMatchObject({ attempt: 2, message: { failures: 0 } });
    });

    test("a retry is hinted at, an ack is not: nothing becomes ready by it", async () => {
      await on.store.append([message("a")]);
      const first = await takeOne();
      await leaseNone();
      expect(await isHinted(() => settle(first, { action: "retry", dueAt: undefined, error: undefined }))).toBe(true);
      const second = await takeOne();
      await leaseNone();
      expect(await isHinted(() => settle(second, ack))).toBe(false);
    });

    test("a delayed retry waits until it is due", async () => {
      await on.store.append(numbered(2));
      await settle(await takeOne(), { action: "retry", dueAt: NOW + 5_000, error: "failed" });
      expect(await on.store.stats(queue)).toMatchObject({ ready: 1, delayed: 1 });
      await on.store.expire(NOW + 4_999);
      expect(ids(await lease(1))).toEqual(["m0001"]);
      await leaseNone();
      await on.store.expire(NOW + 5_000);
      expect(ids(await lease(1))).toEqual(["m0000"]);
    });

    test("an extension moves the deadline", async () => {
      await on.store.append([message("a")]);
      const delivery = await takeOne();
      expect(await settle(delivery, { action: "extend", deadline: NOW + 90_000 })).toBe("done");
      expect(await on.store.expire(NOW + LEASE_MS)).toEqual([]);
      expect(ids(await on.store.expire(NOW + 90_000))).toEqual(["a"]);
    });
  });
}
