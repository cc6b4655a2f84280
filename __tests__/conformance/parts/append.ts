import { queueAddress, type QueueAddress, type RoomAddress } from "../../../src/queue/message";
import { LEASE_MS, NOW, ack, ada, ids, message, numbered, queue, room, type StoreInSuite } from "../store-in-suite";

/** Messages go in, each once, and out in order. */
export function describeAppend(on: StoreInSuite): void {
  const { lease, leaseNone, takeOne, settle, open } = on;

  describe("append and lease", () => {
    test("gives messages in the order of confirmation, as they were published", async () => {
      const results = await on.store.append([
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
      await on.store.append(numbered(3));
      await lease(3);
      await leaseNone();
    });

    test("deals messages to several holders in turn, within their limits", async () => {
      await on.store.append(numbered(7));
      const requests = [
        { holder: "h1", client: "c", limit: 5, limitBytes: 1e9 },
        { holder: "h2", client: "c", limit: 1, limitBytes: 1e9 },
        { holder: "h3", client: "c", limit: 5, limitBytes: 1e9 },
      ];
      const dealt = await on.store.lease(queue, requests, NOW, LEASE_MS);
      expect(dealt.map((delivery) => delivery.holder)).toEqual(["h1", "h2", "h3", "h1", "h3", "h1", "h3"]);
      expect(ids(dealt)).toEqual(numbered(7).map((each) => each.id));
    });

    test("keeps to the limit of bytes, but always gives one", async () => {
      await on.store.append(numbered(3, { payload: JSON.stringify("x".repeat(2_000)) }));
      const dealt = await on.store.lease(
        queue,
        [{ holder: "h1", client: "c", limit: 10, limitBytes: 100 }],
        NOW,
        LEASE_MS,
      );
      expect(dealt).toHaveLength(1);
    });

    test("gives higher priorities first, and order within each", async () => {
      await on.store.append([
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
      await on.store.append(backlog);
      const sent = backlog.map((each) => each.id);
      const first = await lease(150);
      expect(ids(first)).toEqual(sent.slice(0, 150));
      for (const delivery of first) await settle(delivery, ack);
      await on.store.append([message("late")]);
      expect(ids(await lease(151))).toEqual([...sent.slice(150), "late"]);
      expect(await on.store.stats(queue)).toMatchObject({ ready: 0, leased: 151 });
    });

    test("refuses what goes past a queue's limit, and takes the rest", async () => {
      const results = await on.store.append([
        ...numbered(500),
        message("over"),
        message("other", { target: queueAddress("/", "other") }),
      ]);
      expect(results[500]).toMatchObject({ error: { code: "QUEUE_FULL", retryable: true } });
      expect(results[501]).toMatchObject({ status: "stored" });
      await settle(await takeOne(), ack);
      expect(await on.store.append([message("over")])).toMatchObject([{ status: "stored" }]);
    });

    test("refuses a queue past the number that there may be, whoever makes it", async () => {
      const results = await on.store.append(
        Array.from({ length: 51 }, (_, index) =>
          message("m", { target: queueAddress("/", `q${index}`), publisher: `p${index % 2}` }),
        ),
      );
      expect(results.filter((result) => "status" in result)).toHaveLength(50);
      expect(results[50]).toMatchObject({ error: { code: "LIMIT_REACHED" } });
    });
  });

  describe("dedup", () => {
    test("stores an id once per queue and answers the first seq", async () => {
      const [first] = await on.store.append([message("a")]);
      const results = await on.store.append([
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
      const results = await on.store.append([message("a"), message("a")]);
      expect(results).toMatchObject([{ status: "stored" }, { status: "duplicate" }]);
      await settle(await takeOne(), ack);
      expect(await on.store.append([message("a")])).toMatchObject([{ status: "duplicate" }]);
      await leaseNone();
      expect(await on.store.stats(queue)).toMatchObject({ ready: 0, leased: 0 });
    });

    test("an id is remembered although as many others came as one window holds", async () => {
      await open({ dedupMaxIds: 3 });
      const [first] = (await on.store.append([message("a")])) as readonly { seq: number }[];
      for (const other of numbered(3)) {
        await on.store.append([other]);
        expect(await on.store.append([message("a")])).toEqual([{ status: "duplicate", seq: first?.seq }]);
      }
    });

    test.each<[string, QueueAddress | RoomAddress]>([
      ["a queue", queue],
      ["a room", room],
    ])("copies that routes lead to %s are told apart by where they are from", async (_what, target) => {
      await on.store.join(room, ada, undefined, "client");
      const origins = [queueAddress("/orders", "new"), queueAddress("/invoices", "new"), undefined];
      const messages = origins.map((origin) => message("1", { target, origin }));
      const stored = await on.store.append(messages);
      expect(stored.map((result) => "status" in result && result.status)).toEqual(["stored", "stored", "stored"]);
      const seqs = stored.map((result) => "seq" in result && result.seq);
      const again = await on.store.append([...messages].reverse());
      expect(again).toEqual(seqs.map((seq) => ({ status: "duplicate", seq })).reverse());
    });

    test("two messages of one id, past the window, are never out at once", async () => {
      await open({ dedupMaxIds: 2 });
      await on.store.append([message("a")]);
      for (let round = 0; round < 4; round++) {
        await on.store.append(numbered(3, { target: queueAddress("/", `filler${round}`) }));
      }
      expect(await on.store.append([message("a")])).toMatchObject([{ status: "stored" }]);
      const first = await takeOne();
      await leaseNone();
      await settle(first, ack);
      expect(ids(await lease(1))).toEqual(["a"]);
    });
  });
}
