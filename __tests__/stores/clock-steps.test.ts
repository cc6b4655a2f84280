import type { Store } from "../../src/queue/store";
import { ada, bob, message, NOW, queue, room, SetClock, SUITE_SETTINGS } from "../conformance/store-in-suite";
import { SqliteInProcess } from "../conformance/sqlite-in-process";

const HALF_HOUR = 1_800_000;

let subject: SqliteInProcess;
let clock: SetClock;
let store: Store;

beforeEach(async () => {
  subject = new SqliteInProcess();
  clock = new SetClock();
  store = await subject.open(SUITE_SETTINGS, clock);
});

afterEach(() => subject.cleanUp());

/** Ready, delayed and expired messages after a look at a time. */
async function at(time: number, from = queue): Promise<readonly number[]> {
  await store.expire(time);
  const { ready, delayed, expired } = await store.stats(from);
  return [ready, delayed, expired];
}

describe.each([
  ["forwards", HALF_HOUR],
  ["back", -HALF_HOUR],
])("a step of the clock %s that could not be written", (_where, byMs) => {
  const now = NOW + byMs;

  /** The clock is set while the disk takes nothing. */
  async function stepInVain(): Promise<void> {
    clock.time = now;
    subject.failing = true;
    await expect(store.moveDeadlines(byMs)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    subject.failing = false;
  }

  /** Of two messages, by the time that the clock was set to: one is due after a second, the other is over after two. */
  async function expectSecondsFromNow(): Promise<void> {
    expect(await at(now + 999)).toEqual([1, 1, 0]);
    expect(await at(now + 1_000)).toEqual([2, 0, 0]);
    expect(await at(now + 1_999)).toEqual([2, 0, 0]);
    expect(await at(now + 2_000)).toEqual([1, 0, 1]);
  }

  it("moves what was there before, once", async () => {
    await store.append([message("lives", { expiresAt: NOW + 2_000 }), message("waits", { dueAt: NOW + 1_000 })]);
    await stepInVain();
    await store.moveDeadlines(0);
    await expectSecondsFromNow();
  });

  it("moves nothing that is published before the next look, by the new time", async () => {
    await stepInVain();
    await store.append([
      message("lives", { publishedAt: now, expiresAt: now + 2_000 }),
      message("waits", { publishedAt: now, dueAt: now + 1_000 }),
    ]);
    await store.moveDeadlines(0);
    await expectSecondsFromNow();
  });

  it("tells those who take them the same", async () => {
    await store.append([message("before", { expiresAt: NOW + 2_000 })]);
    await stepInVain();
    await store.append([message("after", { publishedAt: now, expiresAt: now + 1_000 })]);
    await store.moveDeadlines(0);
    const taken = await store.lease(queue, [{ holder: "h", client: "c", limit: 2, limitBytes: 1e9 }], now, 1_000);
    expect(taken.map(({ message: { id, expiresAt } }) => [id, expiresAt])).toEqual([
      ["before", now + 2_000],
      ["after", now + 1_000],
    ]);
  });

  it("moves no retry that is asked for before the next look, and the history that somebody is given then", async () => {
    await store.join(room, ada, undefined, "client");
    await store.append([message("retried"), message("told", { target: room, expiresAt: NOW + 1_000 })]);
    const [retried] = await store.lease(
      queue,
      [{ holder: "h", client: "c", limit: 1, limitBytes: 1e9 }],
      NOW,
      HALF_HOUR,
    );
    await stepInVain();
    await store.settle([
      {
        queue,
        id: "retried",
        attempt: retried?.attempt ?? 0,
        holder: "h",
        settlement: { action: "retry", dueAt: now + 500, error: undefined },
      },
    ]);
    await store.join(room, bob, "all", "client");
    await store.moveDeadlines(0);
    expect(await at(now + 499)).toEqual([0, 1, 0]);
    expect(await at(now + 500)).toEqual([1, 0, 0]);
    for (const inbox of [ada, bob]) expect(await at(now + 999, inbox)).toEqual([1, 0, 0]);
    for (const inbox of [ada, bob]) expect(await at(now + 1_000, inbox)).toEqual([0, 0, 1]);
  });

  it("is not forgotten over another one", async () => {
    await store.append([message("waits", { dueAt: NOW + 1_000 })]);
    await stepInVain();
    clock.time = NOW + 3 * byMs;
    await store.moveDeadlines(2 * byMs);
    expect(await at(NOW + 3 * byMs + 999)).toEqual([0, 1, 0]);
    expect(await at(NOW + 3 * byMs + 1_000)).toEqual([1, 0, 0]);
  });
});
