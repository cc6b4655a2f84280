import { queueAddress, roomAddress, sizeOf, type NewMessage } from "../../../src/queue/message";
import {
  NOW,
  ack,
  ada,
  again,
  bob,
  describeEachEnd,
  message,
  numbered,
  poisoned,
  queue,
  room,
  settling,
  type StoreInSuite,
} from "../store-in-suite";

/** What is counted, and what there may be at the most. */
export function describeLimits(on: StoreInSuite): void {
  const { open, reopen, lease, settle, takeOne, rest } = on;

  test("proves that it works", async () => {
    await expect(on.store.probe()).resolves.toBeUndefined();
  });

  describe("the bytes of a queue", () => {
    const bytesOf = (messages: readonly NewMessage[]): number => messages.reduce((sum, each) => sum + sizeOf(each), 0);
    const payload = (length: number): string => JSON.stringify("ü".repeat(length));

    test("are those of all that it holds, whatever becomes of it", async () => {
      const expectBytes = async (messages: readonly NewMessage[]): Promise<void> => {
        await rest();
        expect((await on.store.stats(queue)).bytes).toBe(bytesOf(messages));
      };
      const [a, b, c] = [
        message("a", { payload: payload(10), headers: '{"k":"v"}' }),
        message("b", { payload: payload(200), dueAt: NOW + 1_000 }),
        message("c", { payload: payload(3_000), expiresAt: NOW + 5_000 }),
      ];
      const rest60 = numbered(60, { payload: payload(50) });
      await on.store.append([a, b, c, ...rest60, a]);
      await expectBytes([a, b, c, ...rest60]);
      const [first, third] = await lease(2);
      if (!first || !third) throw new Error("nothing was leased");
      await expectBytes([a, b, c, ...rest60]);
      await settle(third, again);
      await settle(first, { ...again, dueAt: NOW + 1_000 });
      await on.store.expire(NOW + 1_000);
      await expectBytes([a, b, c, ...rest60]);
      await on.store.expire(NOW + 5_000);
      await expectBytes([a, b, ...rest60]);
      await settle(await takeOne(), poisoned);
      await expectBytes([b, ...rest60]);
      await settle(await takeOne(), ack);
      await expectBytes(rest60);
      await on.store.redrive(queue, {}, NOW, 1_000);
      await expectBytes([a, ...rest60]);
      await on.store.expire(NOW + 5_000);
      const all = await lease(61);
      await on.store.settle(all.map((delivery) => settling(delivery, ack)));
      await expectBytes([]);
    });

    test("are counted for each inbox of a room, and for history that comes in", async () => {
      const toRoom = numbered(3, { target: room, payload: payload(100) });
      await on.store.join(room, ada, undefined, "client");
      await on.store.append(toRoom);
      await on.store.join(room, bob, "all", "client");
      for (const inbox of [ada, bob]) expect((await on.store.stats(inbox)).bytes).toBe(bytesOf(toRoom));
      await settle(await takeOne(bob), ack);
      expect((await on.store.stats(bob)).bytes).toBe(bytesOf(toRoom.slice(1)));
    });

    describeEachEnd(on, (how) => {
      test("are what they were", async () => {
        await on.store.join(room, ada, undefined, "client");
        await on.store.append([
          ...numbered(60, { payload: payload(50) }),
          message("delayed", { payload: payload(70), dueAt: NOW + 1_000 }),
          message("in room", { target: room, payload: payload(70) }),
          message("in room later", { target: room, payload: payload(70), dueAt: NOW + 1_000 }),
        ]);
        const [a, b, c] = await lease(3);
        if (!a || !b || !c) throw new Error("nothing was leased");
        await on.store.settle([settling(a, ack), settling(b, poisoned), settling(c, { ...again, dueAt: NOW + 1_000 })]);
        await on.store.redrive(queue, {}, NOW, 0);
        const before = [await on.store.stats(queue), await on.store.stats(ada)];
        await reopen(how);
        expect([await on.store.stats(queue), await on.store.stats(ada)]).toEqual(before);
      });
    });
  });

  describe("one client", () => {
    const targets = (count: number, publisher: string): NewMessage[] =>
      Array.from({ length: count }, (_, index) =>
        message("a", { publisher, target: queueAddress("/", `${publisher}${index}`) }),
      );

    test("makes so many queues and rooms, and uses those of others", async () => {
      await open({ maxQueuesPerClient: 3 });
      const results = await on.store.append(targets(4, "acme"));
      expect(results.map((result) => "status" in result)).toEqual([true, true, true, false]);
      expect(results[3]).toMatchObject({ error: { code: "LIMIT_REACHED" } });
      await expect(on.store.join(room, ada, undefined, "acme")).rejects.toMatchObject({ code: "LIMIT_REACHED" });
      await on.store.join(room, ada, undefined, "ada");
      expect(await on.store.join(room, queueAddress("/", "acme0"), undefined, "acme")).toMatchObject({ members: 2 });
      expect(await on.store.append([message("b", { target: room, publisher: "acme" })])).toMatchObject([
        { status: "stored" },
      ]);
      const other = roomAddress("/", "south");
      await expect(on.store.join(other, ada, undefined, "ada")).resolves.toMatchObject({ members: 1 });
      expect(await on.store.append(targets(1, "ada"))).toMatchObject([{ error: { code: "LIMIT_REACHED" } }]);
    });

    /** Puts these clients in the room, in the boss's name. */
    const invite = async (...clients: string[]): Promise<void> => {
      for (const client of clients) await on.store.join(room, queueAddress("/", `@${client}`), undefined, "boss");
    };
    /** How many of so many queues this client may still make. */
    const makes = async (count: number, client: string): Promise<number> =>
      (await on.store.append(targets(count, client))).filter((result) => "status" in result).length;

    test("has its own inbox among them, and not those of the clients that it puts in a room", async () => {
      await open({ maxQueuesPerClient: 3 });
      await invite("ada", "bob", "cara", "dan", "eve");
      expect(await makes(4, "boss")).toBe(2);
      expect(await makes(4, "ada")).toBe(2);
    });

    test("has those inboxes among them that its publishes make", async () => {
      await open({ maxQueuesPerClient: 3 });
      const inboxes = ["ada", "bob", "cara", "dan"].map((client) => queueAddress("/", `@${client}`));
      const results = await on.store.append(inboxes.map((target) => message("a", { target, publisher: "boss" })));
      expect(results.map((result) => "status" in result)).toEqual([true, true, true, false]);
      expect(results[3]).toMatchObject({ error: { code: "LIMIT_REACHED" } });
      expect(await makes(4, "ada")).toBe(3);
    });

    describeEachEnd(on, (how) => {
      test("has an inbox that another one made", async () => {
        await open({ maxQueuesPerClient: 3 });
        await invite("ada", "bob", "cara", "dan", "eve");
        await reopen(how);
        expect(await makes(4, "boss")).toBe(2);
        expect(await makes(4, "ada")).toBe(2);
      });

      test("has made as many as before", async () => {
        await open({ maxQueuesPerClient: 3 });
        await on.store.append(targets(2, "acme"));
        await on.store.join(room, queueAddress("/", "acme0"), undefined, "acme");
        await reopen(how);
        expect(await on.store.append(targets(3, "acme"))).toMatchObject([
          { status: "duplicate" },
          { status: "duplicate" },
          { error: { code: "LIMIT_REACHED" } },
        ]);
        expect(await on.store.append(targets(3, "other"))).toMatchObject(
          targets(3, "other").map(() => ({ status: "stored" })),
        );
      });
    });
  });
}
