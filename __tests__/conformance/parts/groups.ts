import { NOW, ack, ids, message, queue, type StoreInSuite } from "../store-in-suite";

/** Groups. */
export function describeGroups(on: StoreInSuite): void {
  const { lease, leaseNone, takeOne, settle, isHinted } = on;

  describe("groups", () => {
    test("have one message out at a time, in order, and do not hold up others", async () => {
      await on.store.append([
        message("a1", { group: "a" }),
        message("a2", { group: "a" }),
        message("b1", { group: "b" }),
        message("none"),
        message("a3", { group: "a" }),
      ]);
      const out = await lease(3);
      expect(ids(out)).toEqual(["a1", "b1", "none"]);
      await leaseNone();
      const [a1] = out;
      if (a1) await settle(a1, ack);
      const [a2] = await lease(1);
      expect(a2?.message.id).toBe("a2");
      await leaseNone();
      expect(await on.store.stats(queue)).toMatchObject({ ready: 1, leased: 3 });
    });

    test("hint at the next one when one has ended", async () => {
      await on.store.append([1, 2, 3].map((number) => message(`a${number}`, { group: "a" })));
      const first = await takeOne();
      await leaseNone();
      expect(await isHinted(() => settle(first, ack))).toBe(true);
      const second = await takeOne();
      await leaseNone();
      const died = { action: "dead", reason: "refused", error: "poison" } as const;
      expect(await isHinted(() => settle(second, died))).toBe(true);
    });

    test("keep their order through a delayed retry", async () => {
      await on.store.append([message("a1", { group: "a" }), message("a2", { group: "a" })]);
      await settle(await takeOne(), { action: "retry", dueAt: NOW + 1_000, error: "failed" });
      await leaseNone();
      await on.store.expire(NOW + 1_000);
      expect(ids(await lease(1))).toEqual(["a1"]);
      await leaseNone();
    });

    test("do not wait for what was published with a delay, which takes its place by its seq when it is due", async () => {
      await on.store.append([
        message("a1", { group: "a", dueAt: NOW + 1_000 }),
        message("a2", { group: "a" }),
        message("a3", { group: "a" }),
      ]);
      const a2 = await takeOne();
      expect(a2.message.id).toBe("a2");
      await on.store.expire(NOW + 1_000);
      await leaseNone();
      await settle(a2, ack);
      expect(ids(await lease(1))).toEqual(["a1"]);
      await leaseNone();
    });

    test("go on after a dead letter and after an expired message", async () => {
      await on.store.append([
        message("a1", { group: "a" }),
        message("a2", { group: "a", expiresAt: NOW + 10 }),
        message("a3", { group: "a" }),
      ]);
      const first = await takeOne();
      await leaseNone();
      await settle(first, { action: "dead", reason: "refused", error: "poison" });
      await on.store.expire(NOW + 10);
      expect(ids(await lease(1, queue, NOW + 10))).toEqual(["a3"]);
    });
  });
}
