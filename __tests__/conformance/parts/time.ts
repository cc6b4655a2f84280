import { rulesWith } from "../../support/rules";
import {
  LEASE_MS,
  NOW,
  ack,
  again,
  ids,
  message,
  numbered,
  queue,
  settling,
  type StoreInSuite,
} from "../store-in-suite";

/** Leases, delays and times to live. */
export function describeTime(on: StoreInSuite): void {
  const { open, lease, leaseNone, settle } = on;

  describe("time", () => {
    test("reports leases that ran out until they are settled", async () => {
      await on.store.append(numbered(2));
      const [first] = await lease(2);
      expect(await on.store.expire(NOW + LEASE_MS - 1)).toEqual([]);
      expect(ids(await on.store.expire(NOW + LEASE_MS))).toEqual(["m0000", "m0001"]);
      if (first) await settle(first, ack);
      expect(ids(await on.store.expire(NOW + LEASE_MS + 1))).toEqual(["m0001"]);
    });

    test("a delayed message waits, and then keeps the order of confirmation", async () => {
      await on.store.append([message("later", { dueAt: NOW + 1_000 }), message("now")]);
      await on.store.expire(NOW + 999);
      expect(
        ids(await on.store.lease(queue, [{ holder: "h", client: "c", limit: 1, limitBytes: 1e9 }], NOW, LEASE_MS)),
      ).toEqual(["now"]);
      await leaseNone();
      await on.store.expire(NOW + 1_000);
      expect(ids(await lease(1))).toEqual(["later"]);
    });

    test("what is due at the same moment comes in the order of confirmation, however much it is", async () => {
      await open({ rules: rulesWith({ maxMessages: 10_000 }) });
      const sizes = [300, 0, 100];
      const backlog = numbered(5_000).map((each, index) => ({
        ...each,
        dueAt: NOW + 1_000,
        payload: JSON.stringify("x".repeat(sizes[index % 3] ?? 0)),
      }));
      await on.store.append(backlog);
      const taken: string[] = [];
      const looking = on.store.expire(NOW + 1_000);
      // As a dispatcher would: whatever there is, whenever there is something.
      while (taken.length < backlog.length) {
        const more = await lease(Math.min(700, backlog.length - taken.length), queue, NOW + 1_000);
        await on.store.settle(more.map((delivery) => settling(delivery, ack)));
        taken.push(...ids(more));
      }
      await looking;
      expect(taken).toEqual(backlog.map(({ id }) => id));
    });

    test("an expired message is never given, and counted", async () => {
      await on.store.append([
        message("a", { expiresAt: NOW + 1_000 }),
        message("b"),
        message("c", { dueAt: NOW + 10_000, expiresAt: NOW + 11_000 }),
      ]);
      await on.store.expire(NOW + 1_000);
      expect(ids(await lease(1, queue, NOW + 1_000))).toEqual(["b"]);
      await on.store.expire(NOW + 12_000);
      await leaseNone(queue, NOW + 12_000);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 0, delayed: 0, leased: 1, expired: 2 });
    });

    test("expires a backlog that is not in memory", async () => {
      await on.store.append(numbered(100, { expiresAt: NOW + 1_000 }));
      await on.store.append([message("kept")]);
      await on.store.expire(NOW + 1_000);
      expect(ids(await lease(1, queue, NOW + 1_000))).toEqual(["kept"]);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 0, leased: 1, expired: 100 });
    });

    test("a message whose time passes while it is out may still be acked; given back, it expires", async () => {
      await on.store.append([message("a", { expiresAt: NOW + 1_000 }), message("b", { expiresAt: NOW + 1_000 })]);
      const [first, second] = await lease(2);
      await on.store.expire(NOW + 2_000);
      if (!first || !second) throw new Error("nothing was leased");
      expect(await settle(first, ack)).toBe("done");
      expect(await settle(second, again)).toBe("done");
      await leaseNone(queue, NOW + 2_000);
      await on.store.append([message("c")]);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 1, leased: 0, expired: 1 });
    });
  });
}
