import { queueAddress, type NewMessage, type Trace } from "../../../src/queue/message";
import { rulesWith } from "../../support/rules";
import {
  LEASE_MS,
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

const NOTHING = { found: [], hasMore: false };

/** Where is my message? */
export function describeTrace(on: StoreInSuite): void {
  const { open, reopen, lease, leaseNone, takeOne, settle, kill, rest, whereIs, setTime } = on;

  async function traceOne(id: string): Promise<Trace> {
    const { found, hasMore } = await on.store.trace(id, "/", queue);
    const [trace, another] = found;
    if (trace === undefined || another !== undefined || hasMore) throw new Error(`${id} was not found once`);
    return trace;
  }

  describe("a trace", () => {
    test("finds nothing that was never published, or not to that queue", async () => {
      await on.store.append([message("a")]);
      expect(await on.store.trace("unknown", "/", undefined)).toEqual(NOTHING);
      expect(await on.store.trace("unknown", "/", queue)).toEqual(NOTHING);
      expect(await on.store.trace("a", "/", ada)).toEqual(NOTHING);
      await on.store.append([message("other", { target: ada })]);
      expect(await on.store.trace("a", "/", ada)).toEqual(NOTHING);
    });

    test("finds what is ready, in memory and on disk, and says what goes before it", async () => {
      await on.store.append([...numbered(100), message("high", { priority: 9 }), message("low", { priority: 0 })]);
      expect(await traceOne("m0000")).toMatchObject({ state: "ready", queue, aheadAtLeast: 1, waitsFor: undefined });
      expect(await traceOne("m0009")).toMatchObject({ state: "ready", aheadAtLeast: 10 });
      expect(await traceOne("high")).toMatchObject({ state: "ready", aheadAtLeast: 0 });
      expect(await traceOne("low")).toMatchObject({ state: "ready", aheadAtLeast: 101 });
      const last = await traceOne("m0099");
      expect(last).toMatchObject({ state: "ready", message: { id: "m0099", event: "pickup", attempts: 0 } });
      expect(last.state === "ready" && last.aheadAtLeast).toBeGreaterThan(10);
      expect(last.state === "ready" && last.aheadAtLeast).toBeLessThan(101);
    });

    test("says which message of its group has to end first", async () => {
      await on.store.append([message("g1", { group: "g" }), message("g2", { group: "g" }), message("other")]);
      const g1 = await takeOne();
      const waiting = { state: "ready", waitsFor: { what: "group", seq: g1.message.seq, id: "g1" } };
      expect(await traceOne("g2")).toMatchObject(waiting);
      expect(ids(await lease(1))).toEqual(["other"]);
      expect(await traceOne("g2")).toMatchObject(waiting);
      await settle(g1, { ...again, dueAt: NOW + 1_000 });
      expect(await traceOne("g2")).toMatchObject(waiting);
      expect(await traceOne("g1")).toMatchObject({ state: "delayed", dueAt: NOW + 1_000 });
      await on.store.expire(NOW + 1_000);
      expect(await traceOne("g1")).toMatchObject({ state: "ready", waitsFor: undefined });
      await settle(await takeOne(), ack);
      expect(await traceOne("g2")).toMatchObject({ state: "ready", waitsFor: undefined });
    });

    test("says so also of one that waits on disk", async () => {
      await on.store.append(numbered(300, { group: "g" }));
      const first = await takeOne();
      await leaseNone();
      expect(await traceOne("m0299")).toMatchObject({
        state: "ready",
        waitsFor: { what: "group", seq: first.message.seq, id: "m0000" },
      });
    });

    test("says that one of the same id is out", async () => {
      await open({ dedupMaxIds: 2 });
      await on.store.append([message("twice")]);
      for (let round = 0; round < 4; round++) {
        await on.store.append(numbered(3, { target: ada }).map((each) => ({ ...each, id: `${each.id}/${round}` })));
      }
      await on.store.append([message("twice", { payload: '"second"' })]);
      const first = await takeOne();
      await leaseNone();
      expect((await on.store.trace("twice", "/", queue)).found).toMatchObject([
        { state: "ready", message: { payload: '"second"' }, waitsFor: { what: "namesake", seq: first.message.seq } },
        { state: "leased", message: { seq: first.message.seq } },
      ]);
    });

    test("finds what is delayed, and until when", async () => {
      await on.store.append([message("a", { dueAt: NOW + 1_000 }), message("b")]);
      expect(await traceOne("a")).toMatchObject({ state: "delayed", dueAt: NOW + 1_000, message: { id: "a" } });
      await settle(await takeOne(), { ...again, dueAt: NOW + 2_000 });
      expect(await traceOne("b")).toMatchObject({
        state: "delayed",
        dueAt: NOW + 2_000,
        message: { attempts: 1, failures: 1, lastError: "failed" },
      });
    });

    test("finds what is out, who has it and until when", async () => {
      await on.store.append(numbered(40));
      await lease(40, queue, NOW, "h7");
      expect(await traceOne("m0039")).toMatchObject({
        state: "leased",
        message: { attempts: 1 },
        delivery: { holder: "h7", client: "c", attempt: 1, deadline: NOW + LEASE_MS },
      });
    });

    test("finds dead letters, and why they are dead", async () => {
      await on.store.append([message("a")]);
      await kill(1);
      expect(await traceOne("a")).toMatchObject({
        state: "dead",
        letter: { reason: "refused", lastHolder: "c", diedAt: NOW, message: { lastError: "poison" } },
      });
      await on.store.redrive(queue, {}, NOW, 0);
      expect(await whereIs("a")).toEqual(["ready"]);
    });

    test("says how messages ended, when, and by whom", async () => {
      await on.store.append([message("acked"), message("purged"), message("expired", { expiresAt: NOW + 9_000 })]);
      setTime(NOW + 5_000);
      await settle(await takeOne(), again);
      await settle(await takeOne(), ack);
      await kill(1);
      await on.store.purge(queue, {});
      setTime(NOW + 9_000);
      await on.store.expire(NOW + 9_000);
      await rest();
      expect(await traceOne("acked")).toEqual({
        queue,
        state: "ended",
        ending: { id: "acked", how: "acked", at: NOW + 5_000, attempt: 2, client: "c" },
      });
      expect(await traceOne("purged")).toMatchObject({ ending: { how: "purged", attempt: 1, client: undefined } });
      expect(await traceOne("expired")).toMatchObject({ ending: { how: "expired", at: NOW + 9_000, attempt: 0 } });
    });

    test("finds the messages of an id in all queues, those that go on before those that ended", async () => {
      await on.store.join(room, ada, undefined, "client");
      await on.store.join(room, bob, undefined, "client");
      await on.store.append([message("a"), message("a", { target: room })]);
      await settle(await takeOne(bob), ack);
      await settle(await takeOne(ada), poisoned);
      const { found } = await on.store.trace("a", "/", undefined);
      expect(found.map((trace) => [trace.queue, trace.state])).toEqual([
        [queue, "ready"],
        [ada, "dead"],
        [bob, "ended"],
      ]);
      expect(found[1]).toMatchObject({ message: { room: "north" } });
    });

    describe("of an id that many messages have", () => {
      const inboxes = Array.from({ length: 60 }, (_, no) => queueAddress("/", `@member-${no}`));

      async function sendToAll(fields: Partial<NewMessage> = {}): Promise<void> {
        await open({ maxQueues: 200, maxQueuesPerClient: 200 });
        for (const inbox of inboxes) await on.store.join(room, inbox, undefined, "client");
        await on.store.append([message("to-all", { target: room, ...fields })]);
      }

      test.each([
        ["ready", {}],
        ["delayed", { dueAt: NOW + 1_000 }],
      ])("tells the newest 20 that are %s, and that there are more", async (state, fields) => {
        await sendToAll(fields);
        const { found, hasMore } = await on.store.trace("to-all", "/", undefined);
        expect(found.map((trace) => [trace.queue, trace.state])).toEqual(
          inboxes
            .slice(-20)
            .reverse()
            .map((inbox) => [inbox, state]),
        );
        expect(hasMore).toBe(true);
        const [oldest = queue] = inboxes;
        expect(await on.store.trace("to-all", "/", oldest)).toMatchObject({
          found: [{ queue: oldest, state }],
          hasMore: false,
        });
      });

      test("tells 20 of those that are there, of those that are dead, and of those that ended", async () => {
        await sendToAll();
        for (const inbox of inboxes.slice(0, 20)) await kill(1, inbox);
        for (const inbox of inboxes.slice(20, 40)) await settle(await takeOne(inbox), ack);
        const counted = async (): Promise<object> => {
          const { found, hasMore } = await on.store.trace("to-all", "/", undefined);
          const there = found.filter(({ state }) => state === "ready" || state === "leased").length;
          const dead = found.filter(({ state }) => state === "dead").length;
          const ended = found.filter(({ state }) => state === "ended").length;
          return { there, dead, ended, hasMore };
        };
        const twenty = { there: 20, dead: 20, ended: 20 };
        expect(await counted()).toEqual({ ...twenty, hasMore: false });
        const [another = queue, andAnother = queue] = inboxes.slice(40);
        await kill(1, another);
        expect(await counted()).toEqual({ ...twenty, there: 19, hasMore: true });
        await on.store.purge(another, {});
        expect(await counted()).toEqual({ ...twenty, there: 19, hasMore: true });
        await on.store.redrive(inboxes[0] ?? queue, {}, NOW, 0);
        await settle(await takeOne(andAnother), ack);
        expect(await counted()).toEqual({ there: 19, dead: 19, ended: 20, hasMore: true });
      });

      test("is not kept from those of its own namespace by those of another", async () => {
        const elsewhere = Array.from({ length: 30 }, (_, no) => queueAddress("/other", `q${no}`));
        await on.store.append([message("a"), message("a", { target: ada }), message("a", { target: bob })]);
        await settle(await takeOne(ada), ack);
        await kill(1, bob);
        await on.store.append(elsewhere.map((target) => message("a", { target })));
        const ours = {
          found: [{ queue }, { queue: bob, state: "dead" }, { queue: ada, state: "ended" }],
          hasMore: false,
        };
        expect(await on.store.trace("a", "/", undefined)).toMatchObject(ours);
        for (const target of elsewhere.slice(0, 5)) await kill(1, target);
        for (const target of elsewhere.slice(5)) await settle(await takeOne(target), ack);
        expect(await on.store.trace("a", "/", undefined)).toMatchObject(ours);
      });
    });

    test("tells several endings of an id, the newest first", async () => {
      await open({ dedupMaxIds: 2 });
      for (let round = 0; round < 3; round++) {
        await on.store.append([message("again")]);
        await settle(await takeOne(), round === 1 ? poisoned : ack);
        await on.store.purge(queue, {});
        for (let filler = 0; filler < 3; filler++) {
          await on.store.append(
            numbered(3, { target: ada }).map((each) => ({ ...each, id: `${round}.${filler}.${each.id}` })),
          );
        }
      }
      expect(await whereIs("again", queue)).toEqual(["acked", "purged", "acked"]);
    });

    test("forgets endings past the number that is kept", async () => {
      await open({ maxEndings: 20 });
      await on.store.append(numbered(100));
      for (let round = 0; round < 100; round++) await settle(await takeOne(), ack);
      expect(await whereIs("m0099")).toEqual(["acked"]);
      expect(await whereIs("m0081")).toEqual(["acked"]);
      const kept = await Promise.all(numbered(100).map(async ({ id }) => (await whereIs(id)).length));
      const count = kept.reduce((sum, each) => sum + each, 0);
      expect(count).toBeGreaterThanOrEqual(20);
      expect(count).toBeLessThan(40);
    });
  });

  describeEachEnd(on, (how) => {
    test("a trace finds all that there was, in the state in which it is now", async () => {
      await open({ maxEndings: 20, rules: rulesWith({ maxMessages: 1_000 }) });
      await on.store.append([
        message("acked"),
        message("purged"),
        message("dead"),
        message("out"),
        message("retried", { group: "g" }),
        message("behind", { group: "g" }),
        message("delayed", { dueAt: NOW + 1_000 }),
        ...numbered(30),
      ]);
      const [acked, purged, dead, , retried] = await lease(5);
      if (!acked || !purged || !dead || !retried) throw new Error("nothing was leased");
      await on.store.settle([settling(acked, ack), settling(purged, poisoned)]);
      await on.store.purge(queue, {});
      await on.store.settle([settling(dead, poisoned), settling(retried, { ...again, dueAt: NOW + 500 })]);
      await reopen(how);
      const where = async (): Promise<readonly string[]> =>
        (
          await Promise.all(
            ["acked", "purged", "dead", "out", "retried", "behind", "delayed", "m0029"].map((id) => whereIs(id)),
          )
        ).flat();
      const afterwards = ["acked", "purged", "dead", "ready", "delayed", "waits for group", "delayed", "ready"];
      expect(await where()).toEqual(afterwards);
      expect(await traceOne("behind")).toMatchObject({ waitsFor: { id: "retried" } });
      expect(await traceOne("acked")).toMatchObject({ ending: { how: "acked", attempt: 1, client: "c", at: NOW } });
      await reopen(how);
      expect(await where()).toEqual(afterwards);
    });
  });
}
