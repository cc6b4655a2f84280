import { queueAddress, roomAddress, type Delivery, type NewMessage } from "../../../src/queue/message";
import {
  NOW,
  ack,
  ada,
  again,
  bob,
  describeEachEnd,
  ids,
  message,
  numbered,
  poisoned,
  queue,
  room,
  settling,
  type StoreInSuite,
} from "../store-in-suite";

/** What a restart keeps. */
export function describeRestarts(on: StoreInSuite): void {
  const { lease, leaseNone, takeOne, settle, reopen } = on;

  describeEachEnd(on, (how) => {
    test("has all that was confirmed, in order, and nothing that was acked", async () => {
      await on.store.append(numbered(200, { expiresAt: NOW + 1e9 }));
      const done = await lease(50);
      await on.store.settle(done.map((delivery) => settling(delivery, ack)));
      await reopen(how);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 150, leased: 0 });
      expect(ids(await lease(150))).toEqual(
        numbered(200)
          .slice(50)
          .map((each) => each.id),
      );
    });

    test("gives what was out again, under an attempt that was never given", async () => {
      await on.store.append(numbered(3));
      const before = await lease(2);
      await settle(before[1] as Delivery, again);
      const retried = await takeOne();
      expect(retried.attempt).toBe(2);
      await reopen(how);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 3, leased: 0 });
      const after = await lease(3, queue, NOW, "h2");
      expect(ids(after)).toEqual(["m0000", "m0001", "m0002"]);
      expect(after[0]?.attempt).toBeGreaterThan(1);
      expect(after[1]?.attempt).toBeGreaterThan(2);
      expect(after[1]?.message.failures).toBe(1);
      if (how === "closed") expect(after[2]?.attempt).toBe(1);
      for (const delivery of [...before, retried]) expect(await settle(delivery, ack)).toBe("lost");
    });

    test("remembers ids, delays, times to live, dead letters, rooms, history and groups", async () => {
      const grouped = queueAddress("/", "grouped");
      await on.store.join(room, ada, undefined, "client");
      const [first] = await on.store.append([message("a", { target: room })]);
      await on.store.append([
        message("delayed", { dueAt: NOW + 1_000 }),
        message("mortal", { expiresAt: NOW + 500 }),
        message("poison", { priority: 9 }),
        message("g1", { target: grouped, group: "g" }),
        message("g2", { target: grouped, group: "g" }),
      ]);
      await settle(await takeOne(), { action: "dead", reason: "refused", error: "poison" });
      const [g1] = await lease(1, grouped);
      if (g1) await settle(g1, { action: "retry", dueAt: NOW + 1_000, error: "failed" });
      await reopen(how);
      expect(await on.store.append([message("a", { target: room })])).toEqual([
        { status: "duplicate", seq: (first as { seq: number }).seq },
      ]);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 1, delayed: 1, dead: 1 });
      expect(await on.store.deadLetters(queue, {}, 5, 0)).toMatchObject([
        { reason: "refused", message: { id: "poison" } },
      ]);
      await leaseNone(grouped);
      await on.store.expire(NOW + 1_000);
      expect(ids(await lease(1, queue, NOW + 1_000))).toEqual(["delayed"]);
      expect(ids(await lease(1, grouped, NOW + 1_000))).toEqual(["g1"]);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 0, expired: 1 });
      await on.store.append([message("b", { target: room })]);
      expect(ids(await lease(2, ada))).toEqual(["a", "b"]);
      expect(await on.store.join(room, bob, "all", "client")).toMatchObject({ members: 2, replayed: 2 });
      expect(ids(await lease(2, bob))).toEqual(["a", "b"]);
    });

    test("never gives an attempt twice of what became due, or was redriven, since the last start", async () => {
      await on.store.append([message("poison"), message("delayed", { dueAt: NOW + 1_000 })]);
      await settle(await takeOne(), poisoned);
      await reopen("closed");
      await on.store.redrive(queue, {}, NOW, 0);
      const redriven = await takeOne();
      await reopen(how);
      expect((await takeOne()).attempt).toBeGreaterThan(redriven.attempt);
      await reopen("closed");
      await on.store.expire(NOW + 1_000);
      const [, due] = await lease(2, queue, NOW + 1_000);
      await reopen(how);
      const [, again] = await lease(2, queue, NOW + 1_000);
      expect(again?.message.id).toBe("delayed");
      expect(again?.attempt).toBeGreaterThan(due?.attempt ?? Infinity);
    });

    test("never gives an attempt twice that goes on from those of another message of that id", async () => {
      const other = roomAddress("/", "other");
      for (const each of [room, other]) await on.store.join(each, ada, undefined, "client");
      await on.store.append([message("x", { target: room }), message("x", { target: other })]);
      for (const settlement of [again, again, ack]) await settle(await takeOne(ada), settlement);
      const second = await takeOne(ada);
      expect(second).toMatchObject({ attempt: 4, message: { room: "other" } });
      await reopen(how);
      expect((await takeOne(ada)).attempt).toBeGreaterThan(second.attempt);
    });

    test("never gives a seq twice", async () => {
      const [first] = (await on.store.append([message("a")])) as readonly { seq: number }[];
      await settle(await takeOne(), ack);
      await reopen(how);
      const [second] = (await on.store.append([message("b")])) as readonly { seq: number }[];
      expect(second?.seq).toBeGreaterThan(first?.seq ?? Infinity);
    });

    test("counts attempts on through several restarts without counting failures", async () => {
      await on.store.append([message("a")]);
      let last = 0;
      for (let restart = 0; restart < 4; restart++) {
        const delivery = await takeOne();
        expect(delivery.attempt).toBeGreaterThan(last);
        expect(delivery.message.failures).toBe(0);
        last = delivery.attempt;
        await reopen(how);
      }
    });

    test("never gives an attempt of what became due twice", async () => {
      await on.store.append([message("delayed", { dueAt: NOW + 1_000 })]);
      await on.store.expire(NOW + 1_000);
      const before = await takeOne();
      await reopen(how);
      expect((await takeOne()).attempt).toBeGreaterThan(before.attempt);
    });

    test("never gives an attempt of what was redriven twice", async () => {
      await on.store.append([message("a")]);
      await settle(await takeOne(), poisoned);
      // What the publish noted of a delivery that may have been made is used up by this.
      await reopen("closed");
      await on.store.redrive(queue, {}, NOW, 0);
      const before = await takeOne();
      await reopen(how);
      expect((await takeOne()).attempt).toBeGreaterThan(before.attempt);
    });

    test("has what was redriven", async () => {
      await on.store.append(numbered(2));
      await on.kill(2);
      expect(await on.store.redrive(queue, {}, NOW, 0)).toBe(2);
      await reopen(how);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 2, dead: 0 });
      expect(ids(await lease(2))).toEqual(["m0000", "m0001"]);
    });

    test("holds back what is delayed until it is due", async () => {
      await on.store.append([message("later", { dueAt: NOW + 1_000 }), message("now")]);
      await reopen(how);
      expect(ids(await lease(1))).toEqual(["now"]);
      await on.store.expire(NOW + 999);
      await on.rest();
      await leaseNone();
      await on.store.expire(NOW + 1_000);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 1, delayed: 0 });
      expect(ids(await lease(1))).toEqual(["later"]);
    });

    test("holds a group for the one that is to be tried again", async () => {
      await on.store.append([message("g1", { group: "g" }), message("g2", { group: "g" }), message("other")]);
      await settle(await takeOne(), { ...again, dueAt: NOW + 1_000 });
      await reopen(how);
      expect(ids(await lease(1))).toEqual(["other"]);
      await on.store.expire(NOW + 1_000);
      expect(ids(await lease(1))).toEqual(["g1"]);
    });

    if (how === "closed") {
      test.each<[string, NewMessage, NewMessage]>([
        ["an urgent one", message("out", { group: "g" }), message("other", { group: "g", priority: 9 })],
        [
          "an older one that was delayed",
          message("out", { group: "g" }),
          message("other", { group: "g", dueAt: NOW + 1 }),
        ],
      ])("goes on in a group with the one that was out, and not with %s", async (_what, out, other) => {
        const isOlder = other.dueAt !== undefined;
        await on.store.append(isOlder ? [other, out] : [out]);
        await takeOne();
        if (!isOlder) await on.store.append([other]);
        await on.store.expire(NOW + 1);
        await reopen(how);
        const first = await takeOne(queue, NOW + 1, "h2");
        expect(first.message.id).toBe("out");
        await leaseNone();
        await settle(first, ack);
        expect(ids(await lease(1, queue, NOW + 1, "h2"))).toEqual(["other"]);
      });

      test("goes on in each group with the one that was next, as it would have without a stop", async () => {
        await on.store.append([message("first", { group: "g" }), message("second", { group: "g" })]);
        const first = await takeOne();
        await leaseNone();
        await settle(first, ack);
        await on.store.append([message("urgent", { group: "g", priority: 9 })]);
        await reopen(how);
        await reopen(how);
        expect(ids(await lease(1))).toEqual(["second"]);
        await leaseNone();
      });
    }

    test("has counted what expired and what was purged", async () => {
      await on.store.append([message("mortal", { expiresAt: NOW }), message("poison")]);
      await on.store.expire(NOW);
      await on.kill(1);
      await on.store.purge(queue, {});
      await reopen(how);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 0, dead: 0, expired: 1, purged: 1 });
    });

    test("gives nothing to who had left", async () => {
      await on.store.join(room, ada, undefined, "client");
      await on.store.leave(room, ada);
      await reopen(how);
      await on.store.append([message("a", { target: room })]);
      expect(await on.store.stats(ada)).toMatchObject({ ready: 0 });
    });
  });
}
