import { sizeOf } from "../../../src/queue/message";
import type { QueueRules } from "../../../src/queue/queue-rules";
import type { AppendResult } from "../../../src/queue/store";
import type { StoreSettings } from "../../../src/stores/open-store";
import { rulesWith } from "../../support/rules";
import {
  NOW,
  ack,
  ada,
  bob,
  describeEachEnd,
  ids,
  message,
  numbered,
  queue,
  room,
  settling,
  type StoreInSuite,
} from "../store-in-suite";

const SIZE = sizeOf(message("m0000"));

/** What a full queue does with one message more. */
export function describeOverflow(on: StoreInSuite): void {
  describe("a full queue that refuses", () => {
    const { open, takeOne, settle } = on;

    test("does so past its limit of bytes, too, and takes more when there is room", async () => {
      await open({ rules: rulesWith({ maxBytes: SIZE * 2 + 1 }) });
      const results = await on.store.append(numbered(4));
      expect(results.map((result) => "status" in result)).toEqual([true, true, true, false]);
      expect(results[3]).toMatchObject({ error: { code: "QUEUE_FULL", retryable: true } });
      await settle(await takeOne(), ack);
      expect(await on.store.append([message("more")])).toMatchObject([{ status: "stored" }]);
    });

    test("counts what is out and what is delayed", async () => {
      await open({ rules: rulesWith({ maxMessages: 2 }) });
      await on.store.append([message("delayed", { dueAt: NOW + 1_000 }), message("out")]);
      await takeOne();
      expect(await on.store.append([message("more")])).toMatchObject([{ error: { code: "QUEUE_FULL" } }]);
    });

    test("refuses a room's message for all members when it does not fit one inbox", async () => {
      await open({ rules: rulesWith({ maxMessages: 1 }) });
      await on.store.append([message("own", { target: ada })]);
      // The one with room comes first: it must not have been counted on when the other refuses.
      await on.store.join(room, bob, undefined, "client");
      await on.store.join(room, ada, undefined, "client");
      expect(await on.store.append([message("a", { target: room })])).toMatchObject([
        { error: { code: "QUEUE_FULL" } },
      ]);
      expect(await on.store.stats(bob)).toMatchObject({ ready: 0, bytes: 0 });
    });
  });

  describe("a full queue that drops its oldest", () => {
    const { open, reopen, lease, leaseNone, takeOne, settle, rest, deadIds } = on;
    const dropping = { overflow: "drop-oldest", maxMessages: 10 } as const;
    const openDropping = (rules: Partial<QueueRules> = {}, settings: Partial<StoreSettings> = {}): Promise<void> =>
      open({ ...settings, rules: rulesWith({ ...dropping, ...rules }) });

    test("makes dead letters of them, which say why", async () => {
      await openDropping();
      await on.store.append(numbered(10));
      await settle(await takeOne(), { action: "retry", dueAt: undefined, error: "failed" });
      await on.store.append([message("a"), message("b")]);
      await rest();
      expect(await on.store.stats(queue)).toMatchObject({
        ready: 10,
        dead: 2,
        purged: 0,
        bytes: SIZE * 8 + (SIZE - 8) * 2,
      });
      expect(await on.store.deadLetters(queue, {}, 10, 0)).toMatchObject([
        { reason: "overflow", message: { id: "m0000", attempts: 1, failures: 1, lastError: "failed" } },
        { reason: "overflow", message: { id: "m0001", attempts: 0, lastError: undefined } },
      ]);
      expect(ids(await lease(10))).toEqual([
        ...numbered(10)
          .map((each) => each.id)
          .slice(2),
        "a",
        "b",
      ]);
    });

    test("does so past its limit of bytes", async () => {
      await open({ rules: rulesWith({ overflow: "drop-oldest", maxBytes: SIZE * 3 }) });
      for (const each of numbered(5)) await on.store.append([each]);
      await rest();
      expect(await deadIds()).toEqual(["m0000", "m0001"]);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 3, bytes: SIZE * 3 });
    });

    test("goes by age, whatever the priority, also where the oldest are only on disk", async () => {
      await openDropping({ maxMessages: 100 }, { residentBytes: 20_000, laneWindow: 1_000 });
      // While these take up all memory that there is, what comes goes to the disk alone.
      await on.store.append(numbered(80, { target: ada }));
      await on.store.append(numbered(60, { priority: 0 }));
      const filler = await lease(80, ada);
      await on.store.settle(filler.map((delivery) => settling(delivery, ack)));
      await on.store.append(numbered(40, { priority: 9 }).map((each) => ({ ...each, id: `high${each.id}` })));
      for (let more = 0; more < 30; more++) await on.store.append([message(`more${more}`, { priority: 9 })]);
      await rest();
      expect(await on.store.stats(queue)).toMatchObject({ ready: 100, dead: 30 });
      expect(await deadIds()).toEqual(numbered(30).map((each) => each.id));
    });

    test("refuses what would not fit if all of them went", async () => {
      await openDropping({ maxMessages: 2 });
      await on.store.append([message("delayed", { dueAt: NOW + 1_000 }), message("out")]);
      const out = await takeOne();
      expect(await on.store.append([message("more")])).toMatchObject([{ error: { code: "QUEUE_FULL" } }]);
      await settle(out, ack);
      expect(await on.store.append([message("more")])).toMatchObject([{ status: "stored" }]);
      await rest();
      expect(await on.store.stats(queue)).toMatchObject({ ready: 1, delayed: 1, dead: 0 });
    });

    const byNumberAndByBytes = [{ maxMessages: 3 }, { maxMessages: 1_000, maxBytes: SIZE * 3 }];
    const statuses = (results: readonly AppendResult[]): string[] =>
      results.map((result) => ("status" in result ? result.status : result.error.code));

    test("takes a batch that is larger than itself, by number or by bytes, and keeps its newest", async () => {
      for (const limit of byNumberAndByBytes) {
        await openDropping(limit);
        await on.store.append(numbered(3));
        await takeOne();
        const more = numbered(5).map((each) => ({ ...each, id: `n${each.id.slice(1)}` }));
        expect(statuses(await on.store.append(more))).toEqual(more.map(() => "stored"));
        expect(statuses(await on.store.append(more))).toEqual(more.map(() => "duplicate"));
        await rest();
        expect(await on.store.stats(queue)).toMatchObject({ ready: 2, leased: 1, dead: 5, bytes: SIZE * 3 });
        expect(await deadIds()).toEqual(["m0001", "m0002", "n0000", "n0001", "n0002"]);
        expect(ids(await lease(2))).toEqual(["n0003", "n0004"]);
      }
    });

    test("refuses what of a delayed batch does not fit, by number or by bytes: none of it could go", async () => {
      for (const limit of byNumberAndByBytes) {
        await openDropping(limit);
        const refused = { error: { code: "QUEUE_FULL", message: expect.stringContaining("out or delayed") as string } };
        const results = await on.store.append(numbered(5, { dueAt: NOW + 1_000 }));
        expect(results.slice(0, 3)).toMatchObject(results.slice(0, 3).map(() => ({ status: "stored" })));
        expect(results.slice(3)).toMatchObject([refused, refused]);
        await rest();
        expect(await on.store.stats(queue)).toMatchObject({ ready: 0, delayed: 3, dead: 0, bytes: SIZE * 3 });
      }
    });

    test("keeps a message that alone is larger than all that it may hold", async () => {
      await open({ rules: rulesWith({ overflow: "drop-oldest", maxBytes: SIZE * 2 }) });
      await on.store.append([message("small"), message("large", { payload: JSON.stringify("x".repeat(2_000)) })]);
      await rest();
      expect(await deadIds()).toEqual(["small"]);
      expect(ids(await lease(1))).toEqual(["large"]);
    });

    test("keeps no more dead letters than it may", async () => {
      await openDropping({ maxMessages: 2, maxDeadLetters: 3 });
      for (const each of numbered(10)) await on.store.append([each]);
      await rest();
      expect(await on.store.stats(queue)).toMatchObject({ ready: 2, dead: 3, purged: 5 });
      expect(await deadIds()).toEqual(["m0005", "m0006", "m0007"]);
    });

    test("drops what waits for its group where there is nothing else, and keeps the group's order", async () => {
      await openDropping({ maxMessages: 5 });
      await on.store.append(numbered(5, { group: "g" }));
      const out = await takeOne();
      await leaseNone();
      for (const id of ["x", "y"]) {
        expect(await on.store.append([message(id, { group: "g" })])).toMatchObject([{ status: "stored" }]);
        await leaseNone();
      }
      await rest();
      expect(await deadIds()).toEqual(["m0001", "m0002"]);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 4, leased: 1 });
      await settle(out, ack);
      for (const id of ["m0003", "m0004", "x", "y"]) {
        const next = await takeOne();
        expect(next.message.id).toBe(id);
        await settle(next, ack);
      }
      expect(await on.store.stats(queue)).toMatchObject({ ready: 0, leased: 0, bytes: 0 });
    });

    test("frees the group of a message that was to be tried again", async () => {
      await openDropping({ maxMessages: 2 });
      await on.store.append([message("g1", { group: "g" }), message("g2", { group: "g" })]);
      await settle(await takeOne(), { action: "retry", dueAt: undefined, error: "failed" });
      await on.store.append([message("other")]);
      await rest();
      expect(await deadIds()).toEqual(["g1"]);
      expect(ids(await lease(2))).toEqual(["g2", "other"]);
    });

    test("drops a room's copies from the inbox that is full, and from no other", async () => {
      await openDropping({ maxMessages: 3 });
      await on.store.join(room, ada, undefined, "client");
      await on.store.join(room, bob, undefined, "client");
      for (const each of numbered(5, { target: room })) {
        await on.store.append([each]);
        await on.store.settle((await lease(1, bob)).map((delivery) => settling(delivery, ack)));
      }
      await rest();
      expect(await on.store.stats(ada)).toMatchObject({ ready: 3, dead: 2 });
      expect(await on.store.stats(bob)).toMatchObject({ ready: 0, dead: 0 });
      expect(await on.store.deadLetters(ada, {}, 10, 0)).toMatchObject([
        { reason: "overflow", message: { id: "m0000", room: "north", payload: '{"id":"m0000"}' } },
        { reason: "overflow", message: { id: "m0001" } },
      ]);
      expect(ids(await lease(3, ada))).toEqual(["m0002", "m0003", "m0004"]);
    });

    test("keeps to its limit when a room's history comes in", async () => {
      await openDropping({ maxMessages: 3 });
      await on.store.append([message("old", { target: ada }), ...numbered(5, { target: room })]);
      await on.store.join(room, ada, "all", "client");
      await rest();
      expect(await on.store.stats(ada)).toMatchObject({ ready: 3, dead: 3 });
      expect(ids(await lease(3, ada))).toEqual(["m0002", "m0003", "m0004"]);
    });

    test("takes nothing back from its dead letters while it is full", async () => {
      await openDropping({ maxMessages: 2 });
      for (const each of numbered(3)) await on.store.append([each]);
      await rest();
      await expect(on.store.redrive(queue, {}, NOW, 0)).rejects.toMatchObject({ code: "QUEUE_FULL" });
      await settle(await takeOne(), ack);
      expect(await on.store.redrive(queue, {}, NOW, 0)).toBe(1);
    });

    describeEachEnd(on, (how) => {
      test("drops what waits on disk since before, the oldest first", async () => {
        await openDropping({ maxMessages: 40 });
        await on.store.append([...numbered(20, { priority: 0 }), message("high", { priority: 9 })]);
        for (const each of numbered(24).slice(5)) await on.store.append([{ ...each, id: `later${each.id}` }]);
        await reopen(how);
        for (const id of ["a", "b", "c"]) await on.store.append([message(id, { priority: 9 })]);
        await rest();
        expect(await deadIds()).toEqual(["m0000", "m0001", "m0002"]);
        expect(await on.store.stats(queue)).toMatchObject({ ready: 40, dead: 3 });
        await reopen(how);
        expect(await on.store.stats(queue)).toMatchObject({ ready: 40, dead: 3, bytes: expect.any(Number) });
        expect(await deadIds({ reason: "overflow" })).toEqual(["m0000", "m0001", "m0002"]);
      });
    });
  });
}
