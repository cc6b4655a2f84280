import { type DeadSelection, type Delivery, queueAddress } from "../../../src/queue/message";
import { rulesWith } from "../../support/rules";
import {
  NOW,
  ack,
  ada,
  again,
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

/** Dead letters: what is kept of them, which are meant, and what becomes of them. */
export function describeDeadLetters(on: StoreInSuite): void {
  const { open, reopen, lease, leaseNone, takeOne, settle, kill, rest, deadIds, setTime, whereIs } = on;

  describe("dead letters", () => {
    test("a dead letter leaves its queue and is kept with its reason", async () => {
      await on.store.append([message("a", { payload: '{"x":1}' }), message("b")]);
      await settle(await takeOne(), { action: "dead", reason: "refused", error: "poison" });
      expect(await on.store.stats(queue)).toMatchObject({ ready: 1, leased: 0, dead: 1 });
      expect(await on.store.deadLetters(queue, {}, 10, 0)).toMatchObject([
        {
          reason: "refused",
          lastHolder: "c",
          message: { id: "a", queue, payload: '{"x":1}', attempts: 1, failures: 1 },
        },
      ]);
      expect(ids(await lease(1))).toEqual(["b"]);
    });

    test("a redriven dead letter is ready again, in its place, under an attempt that was never given", async () => {
      await on.store.append([...numbered(3, { headers: '{"k":"v"}', expiresAt: NOW + 9 }), message("last")]);
      const [first, second] = await lease(2);
      if (!first || !second) throw new Error("nothing was leased");
      const dead = { action: "dead", reason: "refused", error: "poison" } as const;
      expect(await on.store.settle([settling(first, dead), settling(second, dead)])).toEqual(["done", "done"]);
      const [page] = await on.store.deadLetters(queue, {}, 1, first.message.seq);
      expect(page?.message.id).toBe("m0001");

      expect(await on.store.redrive(queue, { ids: ["m0001", "unknown"] }, NOW, 0)).toBe(1);
      expect(await on.store.redrive(queue, { ids: ["m0001"] }, NOW, 0)).toBe(0);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 3, dead: 1 });
      expect(await on.store.redrive(queue, {}, NOW, 0)).toBe(1);
      expect(await on.store.deadLetters(queue, {}, 10, 0)).toEqual([]);
      const again = await lease(3, queue, NOW + 9, "h2");
      expect(ids(again)).toEqual(["m0000", "m0001", "last"]);
      expect(again[0]).toMatchObject({
        attempt: 2,
        message: { failures: 0, headers: '{"k":"v"}', payload: '{"id":"m0000"}', expiresAt: undefined },
      });
      expect(await settle(again[0] as Delivery, ack)).toBe("done");
    });

    test("a purged dead letter is gone", async () => {
      await on.store.append(numbered(3));
      for (const delivery of await lease(3))
        await settle(delivery, { action: "dead", reason: "refused", error: "poison" });
      expect(await on.store.purge(queue, { ids: ["m0001"] })).toBe(1);
      const left = await on.store.deadLetters(queue, {}, 10, 0);
      expect(left.map((letter) => letter.message.id)).toEqual(["m0000", "m0002"]);
      expect(await on.store.purge(queue, {})).toBe(2);
      expect(await on.store.redrive(queue, {}, NOW, 0)).toBe(0);
      expect(await on.store.purge(queueAddress("/", "never-used"), {})).toBe(0);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 0, dead: 0 });
    });

    test("a redriven message of a room still says which", async () => {
      await on.store.join(room, ada, undefined, "client");
      await on.store.append([message("a", { target: room })]);
      const [delivery] = await lease(1, ada);
      if (delivery) await settle(delivery, { action: "dead", reason: "refused", error: "r" });
      expect(await on.store.redrive(ada, {}, NOW, 0)).toBe(1);
      expect((await lease(1, ada))[0]?.message).toMatchObject({
        id: "a",
        room: "north",
        payload: '{"id":"a"}',
      });
    });

    test("keep the last error and holder, through retries", async () => {
      await on.store.append([message("a")]);
      await settle(await takeOne(queue, NOW, "h1"), { ...again, error: "first" });
      const second = await takeOne();
      expect(second.message.lastError).toBe("first");
      await settle(second, { action: "retry", dueAt: undefined, error: undefined });
      const third = await takeOne();
      expect(third.message.lastError).toBe("first");
      await settle(third, { action: "dead", reason: "attempts", error: "last" });
      expect(await on.store.deadLetters(queue, {}, 10, 0)).toMatchObject([
        { reason: "attempts", lastHolder: "c", message: { attempts: 3, failures: 2, lastError: "last" } },
      ]);
      await on.store.redrive(queue, {}, NOW, 0);
      expect((await takeOne()).message.lastError).toBe("last");
    });

    test("are told in order, page by page", async () => {
      await on.store.append(numbered(25));
      await kill(25);
      const seen: string[] = [];
      for (let after = 0; ;) {
        const page = await on.store.deadLetters(queue, {}, 10, after);
        seen.push(...page.map((letter) => letter.message.id));
        after = page[page.length - 1]?.message.seq ?? 0;
        if (page.length < 10) break;
      }
      expect(seen).toEqual(numbered(25).map((each) => each.id));
    });

    test("past the number that is kept, the oldest are purged and counted", async () => {
      await open({ rules: rulesWith({ maxDeadLetters: 3 }) });
      await on.store.append(numbered(8));
      await kill(8);
      await rest();
      expect(await deadIds()).toEqual(["m0005", "m0006", "m0007"]);
      expect(await on.store.stats(queue)).toMatchObject({ dead: 3, purged: 5 });
      expect(await whereIs("m0004")).toEqual(["purged"]);
      expect(await whereIs("m0005")).toEqual(["dead"]);
    });

    test("past the number that is kept, it is those that died first that go, whatever their seq", async () => {
      await open({ rules: rulesWith({ maxDeadLetters: 3 }) });
      await on.store.append(numbered(5));
      const [first, second, third, ...others] = await lease(5);
      if (!first || !second || !third) throw new Error("nothing was leased");
      await on.store.settle([third, ...others].map((each) => settling(each, poisoned)));
      for (const [minute, delivery] of [second, first].entries()) {
        setTime(NOW + 60_000 * (minute + 1));
        await settle(delivery, poisoned);
        await rest();
      }
      expect(await deadIds()).toEqual(["m0000", "m0001", "m0004"]);
      // One that is put back and dies again has died last.
      setTime(NOW + 600_000);
      await on.store.redrive(queue, { ids: ["m0004"] }, NOW + 600_000, 0);
      await kill(1);
      await on.store.append([message("another")]);
      await kill(1);
      await rest();
      expect(await deadIds()).toEqual(["m0000", "m0004", "another"]);
      expect(await on.store.stats(queue)).toMatchObject({ dead: 3, purged: 3 });
    });

    test("are purged only as far as needed where others are taken away meanwhile", async () => {
      await open({ rules: rulesWith({ maxDeadLetters: 5 }) });
      await on.store.append(numbered(6));
      await kill(5);
      const last = await takeOne();
      const [purged] = await Promise.all([on.store.purge(queue, { ids: ["m0004"] }), settle(last, poisoned)]);
      await rest();
      expect(purged).toBe(1);
      expect(await deadIds()).toEqual(["m0000", "m0001", "m0002", "m0003", "m0005"]);
    });

    test("are put back only as far as there is room", async () => {
      await open({ rules: rulesWith({ maxMessages: 3 }) });
      await on.store.append(numbered(3));
      await kill(3);
      await on.store.append([message("a"), message("b")]);
      expect(await on.store.redrive(queue, {}, NOW, 0)).toBe(1);
      await expect(on.store.redrive(queue, {}, NOW, 0)).rejects.toMatchObject({ code: "QUEUE_FULL" });
      expect(await on.store.stats(queue)).toMatchObject({ ready: 3, dead: 2 });
      expect(ids(await lease(3))).toEqual(["m0000", "a", "b"]);
    });

    test("are put back also after the clock was set back", async () => {
      await on.store.append(numbered(2));
      await kill(2);
      setTime(NOW - 3_600_000);
      expect(await on.store.redrive(queue, {}, NOW - 3_600_000, 0)).toBe(2);
    });
  });

  describe("expired messages of a queue that keeps them", () => {
    const keeping = rulesWith({ deadLetterExpired: true });
    const mortal = { expiresAt: NOW + 1_000 };

    test("are dead letters, wherever they were: in memory, on disk, delayed, behind their group", async () => {
      await open({ rules: keeping });
      await on.store.append([
        message("tried", mortal),
        message("g1", { group: "g" }),
        message("g2", { group: "g", ...mortal }),
        message("delayed", { dueAt: NOW + 500, ...mortal }),
        ...numbered(40, mortal),
        message("kept"),
      ]);
      const [tried] = await lease(2);
      if (tried) await settle(tried, { ...again, dueAt: NOW + 9_000 });
      await on.store.expire(NOW + 1_000);
      await rest();
      expect(ids(await lease(1, queue, NOW + 1_000))).toEqual(["kept"]);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 0, delayed: 0, leased: 2, dead: 43, expired: 43 });
      const letters = await on.store.deadLetters(queue, { reason: "expired" }, 100, 0);
      expect(letters).toHaveLength(43);
      expect(letters[0]).toMatchObject({
        lastHolder: undefined,
        message: { id: "tried", attempts: 1, failures: 1, lastError: "failed", expiresAt: undefined },
      });
      expect(await whereIs("g2")).toEqual(["dead"]);
    });

    test("do not expire again when they are put back", async () => {
      await open({ rules: keeping });
      await on.store.append([message("a", mortal)]);
      await on.store.expire(NOW + 1_000);
      expect(await on.store.redrive(queue, {}, NOW + 1_000, 0)).toBe(1);
      await on.store.expire(NOW + 2_000);
      expect(ids(await lease(1, queue, NOW + 2_000))).toEqual(["a"]);
    });

    test("are counted against the number of dead letters that is kept", async () => {
      await open({ rules: rulesWith({ deadLetterExpired: true, maxDeadLetters: 2 }) });
      await on.store.append(numbered(5, mortal));
      await on.store.expire(NOW + 1_000);
      await rest();
      expect(await on.store.stats(queue)).toMatchObject({ dead: 2, expired: 5, purged: 3 });
      expect(await deadIds()).toEqual(["m0003", "m0004"]);
    });
  });

  describe("a selection of dead letters", () => {
    const SELECTIONS: readonly [string, DeadSelection, readonly string[]][] = [
      ["all", {}, ["a", "b", "c", "d", "e"]],
      ["by ids", { ids: ["b", "d", "unknown"] }, ["b", "d"]],
      ["by no ids", { ids: [] }, []],
      ["by event", { event: "bid" }, ["b", "c"]],
      ["by group", { group: "g" }, ["a", "c"]],
      ["by reason", { reason: "attempts" }, ["b", "d"]],
      ["by a part of the error", { error: "50%_off" }, ["c"]],
      ["from a time on", { diedFrom: NOW + 2_000 }, ["c", "d", "e"]],
      ["until a time", { diedUntil: NOW + 1_000 }, ["a", "b"]],
      ["from one time until another", { diedFrom: NOW + 1_000, diedUntil: NOW + 2_000 }, ["b", "c"]],
      ["by several conditions", { event: "pickup", reason: "attempts", error: "timeout" }, ["d"]],
      ["with conditions that exclude each other", { event: "bid", group: "g", reason: "attempts" }, []],
      ["with a limit", { limit: 2 }, ["a", "b"]],
      ["with a limit and a condition", { reason: "refused", limit: 2 }, ["a", "c"]],
    ];

    beforeEach(async () => {
      await on.store.append([
        message("a", { group: "g" }),
        message("b", { event: "bid" }),
        message("c", { event: "bid", group: "g" }),
        message("d"),
        message("e"),
        message("other queue", { target: ada }),
      ]);
      await kill(1, ada);
      const errors = ["poison", "timeout", "50%_off, 50 off", "timeout of 30 s", ""];
      for (const [index, error] of errors.entries()) {
        setTime(NOW + index * 1_000);
        await settle(await takeOne(), { action: "dead", reason: index % 2 === 0 ? "refused" : "attempts", error });
      }
    });

    test.each(SELECTIONS)("%s, is what is shown, put back and purged", async (_name, selection, expected) => {
      const left = ["a", "b", "c", "d", "e"].filter((id) => !expected.includes(id));
      expect(await deadIds(selection)).toEqual(expected);
      expect(await on.store.redrive(queue, selection, NOW, 0)).toBe(expected.length);
      expect(await deadIds()).toEqual(left);
      expect(await on.store.stats(queue)).toMatchObject({ ready: expected.length, dead: left.length });
      expect(await deadIds({}, ada)).toEqual(["other queue"]);
    });

    test.each(SELECTIONS)("%s, is purged, and nothing else", async (_name, selection, expected) => {
      const left = ["a", "b", "c", "d", "e"].filter((id) => !expected.includes(id));
      expect(await on.store.purge(queue, selection)).toBe(expected.length);
      expect(await deadIds()).toEqual(left);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 0, dead: left.length, purged: expected.length });
      for (const id of expected) expect(await whereIs(id)).toEqual(["purged"]);
    });

    test("goes on page by page where it has more than a page", async () => {
      const pages = [await on.store.deadLetters(queue, { reason: "refused" }, 2, 0)];
      const lastSeq = pages[0]?.[1]?.message.seq ?? 0;
      pages.push(await on.store.deadLetters(queue, { reason: "refused" }, 2, lastSeq));
      expect(pages.map((page) => page.map((letter) => letter.message.id))).toEqual([["a", "c"], ["e"]]);
    });
  });

  describe("dead letters put back one after the other", () => {
    const EVERY_MS = 1_000;

    beforeEach(async () => {
      await on.store.append(numbered(3, { group: "g" }));
      for (let index = 0; index < 3; index++) await settle(await takeOne(), poisoned);
      await on.store.append([message("live", { group: "g" })]);
    });

    async function expectOneAfterTheOther(): Promise<void> {
      expect(await on.store.stats(queue)).toMatchObject({ ready: 1, delayed: 3, dead: 0 });
      // None of them holds up its group before it is due.
      await settle(await takeOne(), ack);
      await leaseNone();
      for (let index = 0; index < 3; index++) {
        const dueAt = NOW + index * EVERY_MS;
        await on.store.expire(dueAt - 1);
        await leaseNone(queue, dueAt - 1);
        await on.store.expire(dueAt);
        const delivery = await takeOne(queue, dueAt);
        expect(delivery).toMatchObject({ message: { id: `m000${index}`, failures: 0 } });
        expect(delivery.attempt).toBeGreaterThan(1);
        await settle(delivery, ack);
      }
      expect(await on.store.stats(queue)).toMatchObject({ ready: 0, delayed: 0, bytes: 0 });
    }

    test("are due with that much time between them", async () => {
      expect(await on.store.redrive(queue, {}, NOW, EVERY_MS)).toBe(3);
      await expectOneAfterTheOther();
    });

    test("begin anew with each redrive", async () => {
      expect(await on.store.redrive(queue, { limit: 2 }, NOW, EVERY_MS)).toBe(2);
      expect(await on.store.redrive(queue, {}, NOW + 2 * EVERY_MS, EVERY_MS)).toBe(1);
      await expectOneAfterTheOther();
    });

    describeEachEnd(on, (how) => {
      test("are so also after a restart", async () => {
        expect(await on.store.redrive(queue, {}, NOW, EVERY_MS)).toBe(3);
        await reopen(how);
        await expectOneAfterTheOther();
      });
    });
  });

  describeEachEnd(on, (how) => {
    test("dead letters, what is said of them, and the error of what is tried again are kept", async () => {
      await open({ rules: rulesWith({ maxDeadLetters: 3 }) });
      await on.store.append([...numbered(5), message("tried"), message("delayed"), message("redriven")]);
      await kill(5);
      await settle(await takeOne(), { ...again, error: "no answer" });
      const [tried, delayed, redriven] = await lease(3);
      if (!tried || !delayed || !redriven) throw new Error("nothing was leased");
      await settle(tried, again);
      await settle(delayed, { action: "retry", dueAt: NOW + 1_000, error: "not yet" });
      await settle(redriven, { action: "dead", reason: "attempts", error: "too often" });
      await rest();
      const before = await on.store.deadLetters(queue, {}, 10, 0);
      await reopen(how);
      expect(await on.store.deadLetters(queue, {}, 10, 0)).toEqual(before);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 1, delayed: 1, dead: 3, purged: 3 });
      expect(await on.store.redrive(queue, { reason: "attempts" }, NOW, 0)).toBe(1);
      await on.store.expire(NOW + 1_000);
      const taken = await lease(3, queue, NOW + 1_000);
      expect(taken.map(({ message: { id, lastError, failures } }) => [id, lastError, failures])).toEqual([
        ["tried", "failed", 2],
        ["delayed", "not yet", 1],
        ["redriven", "too often", 0],
      ]);
    });
  });
}
