import { queueAddress, type NewMessage } from "../../../src/queue/message";
import { NOW, ack, ada, bob, ids, message, numbered, room, type StoreInSuite } from "../store-in-suite";

/** Rooms. */
export function describeRooms(on: StoreInSuite): void {
  const { lease, leaseNone, settle } = on;

  describe("rooms", () => {
    const eve = queueAddress("/", "@eve");
    const toRoom = (id: string, fields: Partial<NewMessage> = {}): NewMessage =>
      message(id, { target: room, ...fields });

    test("fan a message out to every member's inbox, and to nobody else's", async () => {
      expect(await on.store.join(room, ada, undefined, "client")).toMatchObject({ members: 1 });
      expect(await on.store.join(room, bob, undefined, "client")).toMatchObject({ members: 2 });
      expect(await on.store.join(room, bob, undefined, "client")).toMatchObject({ members: 2 });
      const results = await on.store.append([toRoom("a"), toRoom("a")]);
      expect(results).toMatchObject([{ status: "stored" }, { status: "duplicate" }]);
      for (const inbox of [ada, bob]) {
        const [delivery] = await lease(1, inbox);
        expect(delivery?.message).toMatchObject({
          id: "a",
          room: "north",
          queue: inbox,
          payload: '{"id":"a"}',
          publisher: "acme",
        });
        await leaseNone(inbox);
        if (delivery) expect(await settle(delivery, ack)).toBe("done");
      }
      await leaseNone(eve);
    });

    test("who left gets nothing more", async () => {
      await on.store.join(room, ada, undefined, "client");
      await on.store.join(room, bob, undefined, "client");
      expect(await on.store.leave(room, ada)).toMatchObject({ members: 1 });
      expect(await on.store.leave(room, eve)).toMatchObject({ members: 1 });
      await on.store.append([toRoom("a")]);
      await leaseNone(ada);
      expect(ids(await lease(1, bob))).toEqual(["a"]);
    });

    test("replay their history without gap or double at the seam", async () => {
      await on.store.append([toRoom("a"), toRoom("b"), toRoom("c")]);
      const joining = on.store.join(room, ada, "all", "client");
      const publishing = on.store.append([toRoom("d"), toRoom("e")]);
      expect(await joining).toMatchObject({ replayed: 3, missing: undefined });
      await publishing;
      expect(await on.store.join(room, ada, "all", "client")).toMatchObject({ replayed: 0 });
      expect(ids(await lease(5, ada))).toEqual(["a", "b", "c", "d", "e"]);
      await leaseNone(ada);
    });

    test("replay once more what they have replayed to one who left meanwhile", async () => {
      await on.store.append([toRoom("a"), toRoom("b")]);
      await on.store.join(room, ada, "all", "client");
      expect(ids(await lease(2, ada))).toEqual(["a", "b"]);
      await on.store.leave(room, ada);
      expect(await on.store.join(room, ada, "all", "client")).toMatchObject({ replayed: 2 });
    });

    test("give what comes while one leaves to nobody who has asked to, and once to who is back", async () => {
      await on.store.join(room, ada, undefined, "client");
      const [first] = (await on.store.append([toRoom("a")])) as readonly { seq: number }[];
      expect(ids(await lease(1, ada))).toEqual(["a"]);
      const leaving = on.store.leave(room, ada);
      const publishing = on.store.append([toRoom("b")]);
      expect(await leaving).toMatchObject({ members: 0 });
      await publishing;
      await leaseNone(ada);
      const joining = on.store.join(room, ada, { afterSeq: first?.seq ?? 0 }, "client");
      await on.store.append([toRoom("c")]);
      expect(await joining).toMatchObject({ replayed: 1 });
      expect(ids(await lease(2, ada))).toEqual(["b", "c"]);
    });

    test("keep who joins again while it leaves, and not who leaves again while it joins", async () => {
      await on.store.join(room, ada, undefined, "client");
      await Promise.all([on.store.leave(room, ada), on.store.join(room, ada, undefined, "client")]);
      expect(await on.store.join(room, bob, undefined, "client")).toMatchObject({ members: 2 });
      await Promise.all([on.store.join(room, eve, undefined, "client"), on.store.leave(room, eve)]);
      await on.store.append([toRoom("a")]);
      for (const inbox of [ada, bob]) expect(ids(await lease(1, inbox))).toEqual(["a"]);
      await leaseNone(eve);
    });

    test("replay from a seq and from a time", async () => {
      const results = await on.store.append([
        toRoom("a", { publishedAt: NOW - 3 }),
        toRoom("b", { publishedAt: NOW - 2 }),
        toRoom("c", { publishedAt: NOW - 1 }),
      ]);
      const [, second] = results as readonly { seq: number }[];
      await on.store.join(room, ada, { afterSeq: second?.seq ?? 0 }, "client");
      expect(ids(await lease(1, ada))).toEqual(["c"]);
      await on.store.join(room, bob, { fromTime: NOW - 2 }, "client");
      expect(ids(await lease(2, bob))).toEqual(["b", "c"]);
    });

    test("say what history no longer holds", async () => {
      const results = (await on.store.append(numbered(30, { target: room }))) as readonly { seq: number }[];
      const firstSeq = results[0]?.seq ?? 0;
      const membership = await on.store.join(room, ada, { afterSeq: firstSeq }, "client");
      expect(membership).toEqual({ members: 1, replayed: 20, missing: { from: firstSeq + 1, to: results[9]?.seq } });
      expect(ids(await lease(20, ada))[0]).toBe("m0010");
    });

    test("hold back history that is not due yet", async () => {
      await on.store.append([toRoom("later", { dueAt: NOW + 1_000 }), toRoom("a")]);
      expect(await on.store.join(room, ada, "all", "client")).toMatchObject({ replayed: 2 });
      expect(await on.store.stats(ada)).toMatchObject({ ready: 1, delayed: 1 });
      expect(ids(await lease(1, ada))).toEqual(["a"]);
      await on.store.expire(NOW + 999);
      await leaseNone(ada);
      await on.store.expire(NOW + 1_000);
      expect(ids(await lease(1, ada, NOW + 1_000))).toEqual(["later"]);
      await on.store.join(room, bob, "all", "client");
    });

    test("a replayed message is settled like any other", async () => {
      await on.store.append([toRoom("a")]);
      await on.store.join(room, ada, "all", "client");
      const [delivery] = await lease(1, ada);
      if (!delivery) throw new Error("nothing was leased");
      expect(await settle(delivery, { action: "dead", reason: "refused", error: "r" })).toBe("done");
      expect(await on.store.deadLetters(ada, {}, 5, 0)).toMatchObject([
        { message: { id: "a", payload: '{"id":"a"}' } },
      ]);
    });
  });
}
