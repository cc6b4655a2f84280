import type { NewMessage } from "../../../src/queue/message";
import {
  LEASE_MS,
  NOW,
  ada,
  again,
  bob,
  describeEachEnd,
  ids,
  message,
  numbered,
  queue,
  room,
  type StoreInSuite,
} from "../store-in-suite";

const HALF_HOUR = 1_800_000;
const STEPS: readonly [string, number][] = [
  ["forwards", HALF_HOUR],
  ["backwards", -HALF_HOUR],
];

/** What was given as a duration lasts as long when the clock is set; a time of day stays where it is. */
export function describeClockSteps(on: StoreInSuite): void {
  const { lease, leaseNone, takeOne, settle, reopen, rest, setTime } = on;

  /** Ready, delayed, leased and expired messages of the queue after a look at a time. */
  async function at(time: number, from = queue): Promise<readonly number[]> {
    await on.store.expire(time);
    await rest();
    const { ready, delayed, leased, expired } = await on.store.stats(from);
    return [ready, delayed, leased, expired];
  }

  describe.each(STEPS)("after a step of the clock %s", (_where, byMs) => {
    test("a lease lasts as long as it would have", async () => {
      await on.store.append([message("a")]);
      await takeOne();
      await on.store.moveDeadlines(byMs);
      expect(await on.store.expire(NOW + byMs + LEASE_MS - 1)).toEqual([]);
      expect(ids(await on.store.expire(NOW + byMs + LEASE_MS))).toEqual(["a"]);
    });

    test("so does a delay, of the publisher's or of a retry", async () => {
      await on.store.append([message("retried"), message("delayed", { dueAt: NOW + 1_000 })]);
      await settle(await takeOne(), { ...again, dueAt: NOW + 2_000 });
      await on.store.moveDeadlines(byMs);
      expect(await at(NOW + byMs + 999)).toEqual([0, 2, 0, 0]);
      expect(await at(NOW + byMs + 1_000)).toEqual([1, 1, 0, 0]);
      expect(await at(NOW + byMs + 2_000)).toEqual([2, 0, 0, 0]);
    });

    test("what is due at a time of day is due then, and lives as long from there", async () => {
      const fixed = { dueAt: NOW + 2 * HALF_HOUR, isDueFixed: true, expiresAt: NOW + 2 * HALF_HOUR + 10 };
      await on.store.append([message("fixed", fixed)]);
      await on.store.moveDeadlines(byMs);
      expect(await at(NOW + 2 * HALF_HOUR - 1)).toEqual([0, 1, 0, 0]);
      expect(await at(NOW + 2 * HALF_HOUR)).toEqual([1, 0, 0, 0]);
      await on.store.moveDeadlines(byMs);
      expect(await at(NOW + 2 * HALF_HOUR + byMs + 9)).toEqual([1, 0, 0, 0]);
      expect(await at(NOW + 2 * HALF_HOUR + byMs + 10)).toEqual([0, 0, 0, 1]);
    });

    /** Messages that live for a second, in every state that there is. */
    async function fillWithMortals(): Promise<void> {
      const mortal = (id: string, fields: Partial<NewMessage> = {}): NewMessage =>
        message(id, { expiresAt: NOW + 1_000, ...fields });
      await on.store.append([
        mortal("leased"),
        message("g1", { group: "g" }),
        mortal("g2", { group: "g" }),
        mortal("delayed", { dueAt: NOW + 500 }),
        ...numbered(60, { expiresAt: NOW + 1_000 }),
      ]);
      const [leased] = await lease(2);
      if (leased) await settle(leased, again);
      await takeOne();
    }

    test("a time to live lasts as long, of what is leased, parked, delayed, in memory and on disk", async () => {
      await fillWithMortals();
      await on.store.moveDeadlines(byMs);
      await on.store.expire(NOW + byMs + 499);
      expect(await at(NOW + byMs + 500)).toEqual([62, 0, 2, 0]);
      expect(await at(NOW + byMs + 999)).toEqual([62, 0, 2, 0]);
      expect(await at(NOW + byMs + 1_000)).toEqual([0, 0, 2, 62]);
    });

    test("it is known to those who take the message", async () => {
      await fillWithMortals();
      await on.store.moveDeadlines(byMs);
      const taken = await lease(60, queue, NOW + byMs);
      expect(new Set(taken.map((delivery) => delivery.message.expiresAt))).toEqual(new Set([NOW + byMs + 1_000]));
    });

    test("a room's messages live as long, in inboxes and in the history", async () => {
      await on.store.join(room, ada, undefined, "client");
      const fixed = { dueAt: NOW + 2 * HALF_HOUR, isDueFixed: true, expiresAt: NOW + 3 * HALF_HOUR };
      await on.store.append([
        message("a", { target: room, expiresAt: NOW + 1_000 }),
        message("b", { target: room, ...fixed }),
        message("c", { target: room, dueAt: NOW + 500, expiresAt: NOW + 1_000 }),
      ]);
      await on.store.moveDeadlines(byMs);
      setTime(NOW + byMs);
      await on.store.join(room, bob, "all", "client");
      const inboxes = [ada, bob];
      for (const inbox of inboxes) expect(await at(NOW + byMs + 499, inbox)).toEqual([1, 2, 0, 0]);
      for (const inbox of inboxes) {
        expect((await takeOne(inbox, NOW + byMs + 499)).message.expiresAt).toBe(NOW + byMs + 1_000);
      }
      for (const inbox of inboxes) expect(await at(NOW + byMs + 500, inbox)).toEqual([1, 1, 1, 0]);
      for (const inbox of inboxes) expect(await at(NOW + byMs + 1_000, inbox)).toEqual([0, 1, 1, 1]);
      for (const inbox of inboxes) expect(await at(NOW + 2 * HALF_HOUR, inbox)).toEqual([1, 0, 1, 1]);
      for (const inbox of inboxes) {
        expect((await takeOne(inbox, NOW + 2 * HALF_HOUR)).message.expiresAt).toBe(NOW + 3 * HALF_HOUR);
      }
    });

    test("a room's message lives as long from its time of day on, also for those who join later", async () => {
      await on.store.join(room, ada, undefined, "client");
      const dueAt = NOW + 1_000;
      await on.store.append([
        message("a", { target: room, dueAt, isDueFixed: true, expiresAt: dueAt + 4 * HALF_HOUR }),
      ]);
      expect(await at(dueAt, ada)).toEqual([1, 0, 0, 0]);
      setTime(dueAt + 60_000 + byMs);
      await on.store.moveDeadlines(byMs);
      await on.store.join(room, bob, "all", "client");
      for (const inbox of [ada, bob]) {
        expect(await at(dueAt + 4 * HALF_HOUR + byMs - 1, inbox)).toEqual([1, 0, 0, 0]);
      }
      for (const inbox of [ada, bob]) expect(await at(dueAt + 4 * HALF_HOUR + byMs, inbox)).toEqual([0, 0, 0, 1]);
    });

    test("what is published after it goes by the new time", async () => {
      const moving = on.store.moveDeadlines(byMs);
      const published = NOW + byMs;
      const appending = on.store.append([
        message("mortal", { publishedAt: published, expiresAt: published + 1_000 }),
        message("delayed", { publishedAt: published, dueAt: published + 1_000 }),
      ]);
      await Promise.all([moving, appending]);
      expect(await at(published + 999)).toEqual([1, 1, 0, 0]);
      expect(await at(published + 1_000)).toEqual([1, 0, 0, 1]);
    });

    describeEachEnd(on, (how) => {
      test("it is so also after a restart", async () => {
        await fillWithMortals();
        await on.store.append([
          message("later", { dueAt: NOW + 1_500 }),
          message("fixed", { dueAt: NOW + 2 * HALF_HOUR, isDueFixed: true }),
        ]);
        await on.store.moveDeadlines(byMs);
        await reopen(how);
        expect(await at(NOW + byMs + 999)).toEqual([64, 2, 0, 0]);
        expect(await at(NOW + byMs + 1_000)).toEqual([1, 2, 0, 63]);
        expect(await at(NOW + byMs + 1_500)).toEqual([2, 1, 0, 63]);
        expect(await at(NOW + 2 * HALF_HOUR)).toEqual([3, 0, 0, 63]);
        expect(ids(await lease(3, queue, NOW + 2 * HALF_HOUR))).toEqual(["g1", "later", "fixed"]);
        await leaseNone(queue, NOW + 2 * HALF_HOUR);
      });
    });
  });
}
