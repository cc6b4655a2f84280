import {
  queueAddress,
  roomAddress,
  type Delivery,
  type NewMessage,
  type QueueAddress,
  type RoomAddress,
} from "../../src/queue/message";
import type { SettleRequest, Settlement, Store } from "../../src/queue/store";
import type { StoreSettings } from "../../src/stores/open-store";
import { rulesWith } from "../support/rules";

/** Settings small enough that every limit is met by a test. */
export const SUITE_SETTINGS: StoreSettings = {
  rules: rulesWith({ maxMessages: 500 }),
  maxQueues: 50,
  maxQueuesPerClient: 50,
  maxEndings: 1_000,
  dedupWindowMs: 60_000,
  dedupMaxIds: 10_000,
  historyMessages: 20,
  historyMs: 3_600_000,
  residentBytes: 64 * 1024,
  laneWindow: 16,
};

/** A store under test. */
export interface StoreUnderTest {
  open(settings: StoreSettings): Promise<Store>;
  /** Opens what the last store left behind, after closing it in order, or as a crash would leave it. Undefined: it forgets. */
  reopen?(how: "closed" | "crashed"): Promise<Store>;
  cleanUp(): Promise<void>;
}

const NOW = 1_800_000_000_000;
const LEASE_MS = 30_000;
const queue = queueAddress("/", "driver");
const ALL = { limit: 1_000, limitBytes: 1e9 };

export function message(id: string, fields: Partial<NewMessage> = {}): NewMessage {
  return {
    target: queue,
    id,
    event: "pickup",
    payload: JSON.stringify({ id }),
    priority: 4,
    group: undefined,
    headers: undefined,
    publisher: "acme",
    publishedAt: NOW,
    dueAt: undefined,
    isDueFixed: false,
    expiresAt: undefined,
    ...fields,
  };
}

function ids(deliveries: readonly Delivery[]): string[] {
  return deliveries.map((delivery) => delivery.message.id);
}

function numbered(count: number, fields: Partial<NewMessage> = {}): NewMessage[] {
  return Array.from({ length: count }, (_, index) => message(`m${String(index).padStart(4, "0")}`, fields));
}

/** What every store must do, whatever it is made of. */
export function describeStore(name: string, subject: StoreUnderTest): void {
  describe(`${name} as a store`, () => {
    let store: Store;

    beforeEach(async () => {
      store = await subject.open(SUITE_SETTINGS);
    });

    afterEach(async () => {
      await store.close();
      await subject.cleanUp();
    });

    /** Leases until `count` are out: what is on disk comes in pages, announced by hints. */
    async function lease(count: number, holder = "h1", from: QueueAddress = queue, now = NOW): Promise<Delivery[]> {
      const deliveries: Delivery[] = [];
      let hinted = (): void => {};
      store.onHint(() => hinted());
      while (deliveries.length < count) {
        const hint = new Promise<void>((resolve) => (hinted = resolve));
        const limit = count - deliveries.length;
        const more = await store.lease(from, [{ holder, client: "c", limit, limitBytes: 1e9 }], now, LEASE_MS);
        deliveries.push(...more);
        if (more.length === 0) await hint;
      }
      return deliveries;
    }

    async function leaseNone(from: QueueAddress = queue, now = NOW): Promise<void> {
      expect(ids(await store.lease(from, [{ holder: "h1", client: "c", ...ALL }], now, LEASE_MS))).toEqual([]);
    }

    function settling(
      { message: { queue: from, id }, attempt, holder }: Delivery,
      settlement: Settlement,
    ): SettleRequest {
      return { queue: from, id, attempt, holder, settlement };
    }

    async function settle(delivery: Delivery, settlement: Settlement): Promise<string | undefined> {
      return (await store.settle([settling(delivery, settlement)]))[0];
    }

    async function takeOne(holder = "h1"): Promise<Delivery> {
      const [delivery] = await lease(1, holder);
      if (!delivery) throw new Error("nothing was leased");
      return delivery;
    }

    const ack = { action: "ack" } as const;
    const again = { action: "retry", dueAt: undefined, error: "failed" } as const;

    describe("append and lease", () => {
      test("gives messages in the order of confirmation, as they were published", async () => {
        const results = await store.append([
          message("a", { headers: '{"k":"v"}', group: "g", priority: 4 }),
          message("b", { payload: '"käse ✓ \\u0000"' }),
        ]);
        expect(results).toEqual([
          { status: "stored", seq: expect.any(Number) },
          { status: "stored", seq: expect.any(Number) },
        ]);
        const [first, second] = await lease(2);
        expect(first).toMatchObject({ attempt: 1, holder: "h1", deadline: NOW + LEASE_MS });
        expect(first?.message).toMatchObject({
          id: "a",
          event: "pickup",
          payload: '{"id":"a"}',
          headers: '{"k":"v"}',
          group: "g",
          publisher: "acme",
          publishedAt: NOW,
          queue,
        });
        expect(second?.message).toMatchObject({ id: "b", payload: '"käse ✓ \\u0000"' });
        expect(second?.message.seq).toBeGreaterThan(first?.message.seq ?? Infinity);
      });

      test("leases a message to one holder at a time", async () => {
        await store.append(numbered(3));
        await lease(3, "h1");
        await leaseNone();
      });

      test("deals messages to several holders in turn, within their limits", async () => {
        await store.append(numbered(7));
        const requests = [
          { holder: "h1", client: "c", limit: 5, limitBytes: 1e9 },
          { holder: "h2", client: "c", limit: 1, limitBytes: 1e9 },
          { holder: "h3", client: "c", limit: 5, limitBytes: 1e9 },
        ];
        const dealt = await store.lease(queue, requests, NOW, LEASE_MS);
        expect(dealt.map((delivery) => delivery.holder)).toEqual(["h1", "h2", "h3", "h1", "h3", "h1", "h3"]);
        expect(ids(dealt)).toEqual(numbered(7).map((each) => each.id));
      });

      test("keeps to the limit of bytes, but always gives one", async () => {
        await store.append(numbered(3, { payload: JSON.stringify("x".repeat(2_000)) }));
        const dealt = await store.lease(
          queue,
          [{ holder: "h1", client: "c", limit: 10, limitBytes: 100 }],
          NOW,
          LEASE_MS,
        );
        expect(dealt).toHaveLength(1);
      });

      test("gives higher priorities first, and order within each", async () => {
        await store.append([
          message("low", { priority: 0 }),
          message("mid1"),
          message("high1", { priority: 9 }),
          message("mid2"),
          message("high2", { priority: 9 }),
        ]);
        expect(ids(await lease(5))).toEqual(["high1", "high2", "mid1", "mid2", "low"]);
      });

      test("pages a backlog in, in order, with what is published meanwhile at its end", async () => {
        const backlog = numbered(300);
        await store.append(backlog);
        const first = await lease(150);
        await store.append([message("late")]);
        const rest = await lease(151);
        expect([...ids(first), ...ids(rest)]).toEqual([...backlog.map((each) => each.id), "late"]);
        expect(await store.stats(queue)).toMatchObject({ ready: 0, leased: 301 });
      });

      test("refuses what goes past a queue's limit, and takes the rest", async () => {
        const results = await store.append([
          ...numbered(500),
          message("over"),
          message("other", { target: queueAddress("/", "other") }),
        ]);
        expect(results[500]).toMatchObject({ error: { code: "QUEUE_FULL", retryable: true } });
        expect(results[501]).toMatchObject({ status: "stored" });
        await settle(await takeOne(), ack);
        expect(await store.append([message("over")])).toMatchObject([{ status: "stored" }]);
      });

      test("refuses a queue past the number that there may be", async () => {
        const results = await store.append(
          Array.from({ length: 51 }, (_, index) => message("m", { target: queueAddress("/", `q${index}`) })),
        );
        expect(results.filter((result) => "status" in result)).toHaveLength(50);
        expect(results[50]).toMatchObject({ error: { code: "LIMIT_REACHED" } });
      });
    });

    describe("dedup", () => {
      test("stores an id once per queue and answers the first seq", async () => {
        const [first] = await store.append([message("a")]);
        const results = await store.append([
          message("a"),
          message("b"),
          message("a", { target: queueAddress("/", "other") }),
        ]);
        expect(results[0]).toEqual({ status: "duplicate", seq: (first as { seq: number }).seq });
        expect(results[1]).toMatchObject({ status: "stored" });
        expect(results[2]).toMatchObject({ status: "stored" });
        expect(ids(await lease(2))).toEqual(["a", "b"]);
      });

      test("within one batch too, and after the first was acked", async () => {
        const results = await store.append([message("a"), message("a")]);
        expect(results).toMatchObject([{ status: "stored" }, { status: "duplicate" }]);
        await settle(await takeOne(), ack);
        expect(await store.append([message("a")])).toMatchObject([{ status: "duplicate" }]);
        await leaseNone();
        expect(await store.stats(queue)).toMatchObject({ ready: 0, leased: 0 });
      });

      test("two messages of one id, past the window, are never out at once", async () => {
        await store.close();
        await subject.cleanUp();
        store = await subject.open({ ...SUITE_SETTINGS, dedupMaxIds: 2 });
        await store.append([message("a")]);
        for (let round = 0; round < 4; round++) {
          await store.append(numbered(3, { target: queueAddress("/", `filler${round}`) }));
        }
        expect(await store.append([message("a")])).toMatchObject([{ status: "stored" }]);
        const first = await takeOne();
        await leaseNone();
        await settle(first, ack);
        expect(ids(await lease(1))).toEqual(["a"]);
      });
    });

    describe("settle", () => {
      test("an ack ends a message, a second one is harmless", async () => {
        await store.append([message("a")]);
        const delivery = await takeOne();
        expect(await settle(delivery, ack)).toBe("done");
        expect(await settle(delivery, ack)).toBe("already");
        expect(await store.stats(queue)).toMatchObject({ ready: 0, leased: 0 });
        await leaseNone();
      });

      test("two acks under way at once end it once", async () => {
        await store.append([message("a")]);
        const delivery = await takeOne();
        expect(await Promise.all([settle(delivery, ack), settle(delivery, ack)])).toEqual(["done", "already"]);
      });

      test("refuses another holder, another attempt, an unknown id, and changes nothing", async () => {
        await store.append([message("a")]);
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
        await store.append(numbered(3));
        const first = await takeOne();
        expect(await settle(first, again)).toBe("done");
        const [second, next] = await lease(2, "h2");
        expect(second).toMatchObject({ attempt: 2, message: { id: "m0000", failures: 1 } });
        expect(next?.message.id).toBe("m0001");
        expect(await settle(first, ack)).toBe("lost");
      });

      test("a release is no failure", async () => {
        await store.append([message("a")]);
        await settle(await takeOne(), { action: "retry", dueAt: undefined, error: undefined });
        expect(await takeOne()).toMatchObject({ attempt: 2, message: { failures: 0 } });
      });

      test("a delayed retry waits until it is due", async () => {
        await store.append(numbered(2));
        await settle(await takeOne(), { action: "retry", dueAt: NOW + 5_000, error: "failed" });
        expect(await store.stats(queue)).toMatchObject({ ready: 1, delayed: 1 });
        await store.expire(NOW + 4_999);
        expect(ids(await lease(1))).toEqual(["m0001"]);
        await leaseNone();
        await store.expire(NOW + 5_000);
        expect(ids(await lease(1))).toEqual(["m0000"]);
      });

      test("a dead letter leaves its queue and is kept with its reason", async () => {
        await store.append([message("a", { payload: '{"x":1}' }), message("b")]);
        await settle(await takeOne(), { action: "dead", reason: "refused", error: "poison" });
        expect(await store.stats(queue)).toMatchObject({ ready: 1, leased: 0, dead: 1 });
        expect(await store.deadLetters(queue, {}, 10, 0)).toMatchObject([
          {
            reason: "refused",
            lastHolder: "c",
            message: { id: "a", queue, payload: '{"x":1}', attempts: 1, failures: 1 },
          },
        ]);
        expect(ids(await lease(1))).toEqual(["b"]);
      });

      test("a redriven dead letter is ready again, in its place, under an attempt that was never given", async () => {
        await store.append([...numbered(3, { headers: '{"k":"v"}', expiresAt: NOW + 9 }), message("last")]);
        const [first, second] = await lease(2);
        if (!first || !second) throw new Error("nothing was leased");
        const dead = { action: "dead", reason: "refused", error: "poison" } as const;
        expect(await store.settle([settling(first, dead), settling(second, dead)])).toEqual(["done", "done"]);
        const [page] = await store.deadLetters(queue, {}, 1, first.message.seq);
        expect(page?.message.id).toBe("m0001");

        expect(await store.redrive(queue, { ids: ["m0001", "unknown"] }, NOW, 0)).toBe(1);
        expect(await store.redrive(queue, { ids: ["m0001"] }, NOW, 0)).toBe(0);
        expect(await store.stats(queue)).toMatchObject({ ready: 3, dead: 1 });
        expect(await store.redrive(queue, {}, NOW, 0)).toBe(1);
        expect(await store.deadLetters(queue, {}, 10, 0)).toEqual([]);
        const again = await lease(3, "h2", queue, NOW + 9);
        expect(ids(again)).toEqual(["m0000", "m0001", "last"]);
        expect(again[0]).toMatchObject({
          attempt: 2,
          message: { failures: 0, headers: '{"k":"v"}', payload: '{"id":"m0000"}', expiresAt: undefined },
        });
        expect(await settle(again[0] as Delivery, ack)).toBe("done");
      });

      test("a purged dead letter is gone", async () => {
        await store.append(numbered(3));
        for (const delivery of await lease(3))
          await settle(delivery, { action: "dead", reason: "refused", error: "poison" });
        expect(await store.purge(queue, { ids: ["m0001"] })).toBe(1);
        const left = await store.deadLetters(queue, {}, 10, 0);
        expect(left.map((letter) => letter.message.id)).toEqual(["m0000", "m0002"]);
        expect(await store.purge(queue, {})).toBe(2);
        expect(await store.redrive(queue, {}, NOW, 0)).toBe(0);
        expect(await store.purge(queueAddress("/", "never-used"), {})).toBe(0);
        expect(await store.stats(queue)).toMatchObject({ ready: 0, dead: 0 });
      });

      test("a redriven message of a room still says which", async () => {
        const ada = queueAddress("/", "@ada");
        await store.join(roomAddress("/", "north"), ada, undefined, "client");
        await store.append([message("a", { target: roomAddress("/", "north") })]);
        const [delivery] = await lease(1, "h1", ada);
        if (delivery) await settle(delivery, { action: "dead", reason: "refused", error: "r" });
        expect(await store.redrive(ada, {}, NOW, 0)).toBe(1);
        expect((await lease(1, "h1", ada))[0]?.message).toMatchObject({
          id: "a",
          room: "north",
          payload: '{"id":"a"}',
        });
      });

      test("an extension moves the deadline", async () => {
        await store.append([message("a")]);
        const delivery = await takeOne();
        expect(await settle(delivery, { action: "extend", deadline: NOW + 90_000 })).toBe("done");
        expect(await store.expire(NOW + LEASE_MS)).toEqual([]);
        expect(ids(await store.expire(NOW + 90_000))).toEqual(["a"]);
      });
    });

    describe("time", () => {
      test("reports leases that ran out until they are settled", async () => {
        await store.append(numbered(2));
        const [first] = await lease(2);
        expect(await store.expire(NOW + LEASE_MS - 1)).toEqual([]);
        expect(ids(await store.expire(NOW + LEASE_MS))).toEqual(["m0000", "m0001"]);
        if (first) await settle(first, ack);
        expect(ids(await store.expire(NOW + LEASE_MS + 1))).toEqual(["m0001"]);
      });

      test("a delayed message waits, and then keeps the order of confirmation", async () => {
        await store.append([message("later", { dueAt: NOW + 1_000 }), message("now")]);
        await store.expire(NOW + 999);
        expect(
          ids(await store.lease(queue, [{ holder: "h", client: "c", limit: 1, limitBytes: 1e9 }], NOW, LEASE_MS)),
        ).toEqual(["now"]);
        await leaseNone();
        await store.expire(NOW + 1_000);
        expect(ids(await lease(1))).toEqual(["later"]);
      });

      test("an expired message is never given, and counted", async () => {
        await store.append([
          message("a", { expiresAt: NOW + 1_000 }),
          message("b"),
          message("c", { dueAt: NOW + 10_000, expiresAt: NOW + 11_000 }),
        ]);
        await store.expire(NOW + 1_000);
        expect(ids(await lease(1, "h1", queue, NOW + 1_000))).toEqual(["b"]);
        await store.expire(NOW + 12_000);
        await leaseNone(queue, NOW + 12_000);
        expect(await store.stats(queue)).toMatchObject({ ready: 0, delayed: 0, leased: 1, expired: 2 });
      });

      test("expires a backlog that is not in memory", async () => {
        await store.append(numbered(100, { expiresAt: NOW + 1_000 }));
        await store.append([message("kept")]);
        await store.expire(NOW + 1_000);
        expect(ids(await lease(1, "h1", queue, NOW + 1_000))).toEqual(["kept"]);
        expect(await store.stats(queue)).toMatchObject({ ready: 0, leased: 1, expired: 100 });
      });

      test("a message whose time passes while it is out may still be acked; given back, it expires", async () => {
        await store.append([message("a", { expiresAt: NOW + 1_000 }), message("b", { expiresAt: NOW + 1_000 })]);
        const [first, second] = await lease(2);
        await store.expire(NOW + 2_000);
        if (!first || !second) throw new Error("nothing was leased");
        expect(await settle(first, ack)).toBe("done");
        expect(await settle(second, again)).toBe("done");
        await leaseNone(queue, NOW + 2_000);
        await store.append([message("c")]);
        expect(await store.stats(queue)).toMatchObject({ ready: 1, leased: 0, expired: 1 });
      });
    });

    describe("groups", () => {
      test("have one message out at a time, in order, and do not hold up others", async () => {
        await store.append([
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
        expect(await store.stats(queue)).toMatchObject({ ready: 1, leased: 3 });
      });

      test("keep their order through a delayed retry", async () => {
        await store.append([message("a1", { group: "a" }), message("a2", { group: "a" })]);
        await settle(await takeOne(), { action: "retry", dueAt: NOW + 1_000, error: "failed" });
        await leaseNone();
        await store.expire(NOW + 1_000);
        expect(ids(await lease(1))).toEqual(["a1"]);
        await leaseNone();
      });

      test("go on after a dead letter and after an expired message", async () => {
        await store.append([
          message("a1", { group: "a" }),
          message("a2", { group: "a", expiresAt: NOW + 10 }),
          message("a3", { group: "a" }),
        ]);
        const first = await takeOne();
        await leaseNone();
        await settle(first, { action: "dead", reason: "refused", error: "poison" });
        await store.expire(NOW + 10);
        expect(ids(await lease(1, "h1", queue, NOW + 10))).toEqual(["a3"]);
      });
    });

    describe("rooms", () => {
      const room: RoomAddress = roomAddress("/", "north");
      const ada = queueAddress("/", "@ada");
      const bob = queueAddress("/", "@bob");
      const eve = queueAddress("/", "@eve");
      const toRoom = (id: string, fields: Partial<NewMessage> = {}): NewMessage =>
        message(id, { target: room, ...fields });

      test("fan a message out to every member's inbox, and to nobody else's", async () => {
        expect(await store.join(room, ada, undefined, "client")).toMatchObject({ members: 1 });
        expect(await store.join(room, bob, undefined, "client")).toMatchObject({ members: 2 });
        expect(await store.join(room, bob, undefined, "client")).toMatchObject({ members: 2 });
        const results = await store.append([toRoom("a"), toRoom("a")]);
        expect(results).toMatchObject([{ status: "stored" }, { status: "duplicate" }]);
        for (const inbox of [ada, bob]) {
          const [delivery] = await lease(1, "h1", inbox);
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
        await store.join(room, ada, undefined, "client");
        await store.join(room, bob, undefined, "client");
        expect(await store.leave(room, ada)).toMatchObject({ members: 1 });
        expect(await store.leave(room, eve)).toMatchObject({ members: 1 });
        await store.append([toRoom("a")]);
        await leaseNone(ada);
        expect(ids(await lease(1, "h1", bob))).toEqual(["a"]);
      });

      test("replay their history without gap or double at the seam", async () => {
        await store.append([toRoom("a"), toRoom("b"), toRoom("c")]);
        const joining = store.join(room, ada, "all", "client");
        const publishing = store.append([toRoom("d"), toRoom("e")]);
        expect(await joining).toMatchObject({ replayed: 3, missing: undefined });
        await publishing;
        expect(await store.join(room, ada, "all", "client")).toMatchObject({ replayed: 0 });
        expect(ids(await lease(5, "h1", ada))).toEqual(["a", "b", "c", "d", "e"]);
        await leaseNone(ada);
      });

      test("replay from a seq and from a time", async () => {
        const results = await store.append([
          toRoom("a", { publishedAt: NOW - 3 }),
          toRoom("b", { publishedAt: NOW - 2 }),
          toRoom("c", { publishedAt: NOW - 1 }),
        ]);
        const [, second] = results as readonly { seq: number }[];
        await store.join(room, ada, { afterSeq: second?.seq ?? 0 }, "client");
        expect(ids(await lease(1, "h1", ada))).toEqual(["c"]);
        await store.join(room, bob, { fromTime: NOW - 2 }, "client");
        expect(ids(await lease(2, "h1", bob))).toEqual(["b", "c"]);
      });

      test("say what history no longer holds", async () => {
        const results = (await store.append(numbered(30, { target: room }))) as readonly { seq: number }[];
        const firstSeq = results[0]?.seq ?? 0;
        const membership = await store.join(room, ada, { afterSeq: firstSeq }, "client");
        expect(membership).toEqual({ members: 1, replayed: 20, missing: { from: firstSeq + 1, to: results[9]?.seq } });
        expect(ids(await lease(20, "h1", ada))[0]).toBe("m0010");
      });

      test("a replayed message is settled like any other", async () => {
        await store.append([toRoom("a")]);
        await store.join(room, ada, "all", "client");
        const [delivery] = await lease(1, "h1", ada);
        if (!delivery) throw new Error("nothing was leased");
        expect(await settle(delivery, { action: "dead", reason: "refused", error: "r" })).toBe("done");
        expect(await store.deadLetters(ada, {}, 5, 0)).toMatchObject([{ message: { id: "a", payload: '{"id":"a"}' } }]);
      });
    });

    test("proves that it works", async () => {
      await expect(store.probe()).resolves.toBeUndefined();
    });

    if (subject.reopen === undefined) return;
    const reopen = subject.reopen.bind(subject);

    describe.each(["closed", "crashed"] as const)("after it was %s and opened again", (how) => {
      test("has all that was confirmed, in order, and nothing that was acked", async () => {
        await store.append(numbered(200, { expiresAt: NOW + 1e9 }));
        const done = await lease(50);
        await store.settle(done.map((delivery) => settling(delivery, ack)));
        store = await reopen(how);
        expect(await store.stats(queue)).toMatchObject({ ready: 150, leased: 0 });
        expect(ids(await lease(150))).toEqual(
          numbered(200)
            .slice(50)
            .map((each) => each.id),
        );
      });

      test("gives what was out again, under an attempt that was never given", async () => {
        await store.append(numbered(3));
        const before = await lease(2);
        await settle(before[1] as Delivery, again);
        const retried = await takeOne();
        expect(retried.attempt).toBe(2);
        store = await reopen(how);
        const after = await lease(3, "h2");
        expect(ids(after)).toEqual(["m0000", "m0001", "m0002"]);
        expect(after[0]?.attempt).toBeGreaterThan(1);
        expect(after[1]?.attempt).toBeGreaterThan(2);
        expect(after[1]?.message.failures).toBe(1);
        if (how === "closed") expect(after[2]?.attempt).toBe(1);
        for (const delivery of [...before, retried]) expect(await settle(delivery, ack)).toBe("lost");
      });

      test("remembers ids, delays, times to live, dead letters, rooms, history and groups", async () => {
        const room = roomAddress("/", "north");
        const ada = queueAddress("/", "@ada");
        const bob = queueAddress("/", "@bob");
        const grouped = queueAddress("/", "grouped");
        await store.join(room, ada, undefined, "client");
        const [first] = await store.append([message("a", { target: room })]);
        await store.append([
          message("delayed", { dueAt: NOW + 1_000 }),
          message("mortal", { expiresAt: NOW + 500 }),
          message("poison", { priority: 9 }),
          message("g1", { target: grouped, group: "g" }),
          message("g2", { target: grouped, group: "g" }),
        ]);
        await settle(await takeOne(), { action: "dead", reason: "refused", error: "poison" });
        const [g1] = await lease(1, "h1", grouped);
        if (g1) await settle(g1, { action: "retry", dueAt: NOW + 1_000, error: "failed" });
        store = await reopen(how);
        expect(await store.append([message("a", { target: room })])).toEqual([
          { status: "duplicate", seq: (first as { seq: number }).seq },
        ]);
        expect(await store.stats(queue)).toMatchObject({ ready: 1, delayed: 1, dead: 1 });
        expect(await store.deadLetters(queue, {}, 5, 0)).toMatchObject([
          { reason: "refused", message: { id: "poison" } },
        ]);
        await leaseNone(grouped);
        await store.expire(NOW + 1_000);
        expect(ids(await lease(1, "h1", queue, NOW + 1_000))).toEqual(["delayed"]);
        expect(ids(await lease(1, "h1", grouped, NOW + 1_000))).toEqual(["g1"]);
        expect(await store.stats(queue)).toMatchObject({ ready: 0, expired: 1 });
        await store.append([message("b", { target: room })]);
        expect(ids(await lease(2, "h1", ada))).toEqual(["a", "b"]);
        expect(await store.join(room, bob, "all", "client")).toMatchObject({ members: 2, replayed: 2 });
        expect(ids(await lease(2, "h1", bob))).toEqual(["a", "b"]);
      });

      test("never gives a seq twice", async () => {
        const [first] = (await store.append([message("a")])) as readonly { seq: number }[];
        await settle(await takeOne(), ack);
        store = await reopen(how);
        const [second] = (await store.append([message("b")])) as readonly { seq: number }[];
        expect(second?.seq).toBeGreaterThan(first?.seq ?? Infinity);
      });

      test("counts attempts on through several restarts without counting failures", async () => {
        await store.append([message("a")]);
        let last = 0;
        for (let restart = 0; restart < 4; restart++) {
          const delivery = await takeOne();
          expect(delivery.attempt).toBeGreaterThan(last);
          expect(delivery.message.failures).toBe(0);
          last = delivery.attempt;
          store = await reopen(how);
        }
      });
    });
  });
}
