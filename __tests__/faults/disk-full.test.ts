import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { WaybillError } from "../../src/protocol/errors";
import type { AckReply, ConsumeReply, Deliver, PublishReply } from "../../src/protocol/wire";
import { queueAddress, type NewMessage } from "../../src/queue/message";
import type { AppendResult, SettleRequest, Store } from "../../src/queue/store";
import { readSettings } from "../../src/read-config";
import { openStore } from "../../src/stores/open-store";
import { DiskSpace } from "../../src/stores/sqlite/disk-space";
import { ManualClock } from "../queue/manual-clock";
import { rulesWith } from "../support/rules";
import { sqliteFile, startHub, stopHubs } from "../support/start-hub";
import { connectStock } from "../support/stock-client";
import { testUnless } from "./optional";

const MIB = 2 ** 20;
const QUEUE = queueAddress("/", "driver");

afterEach(stopHubs);

describe("the watch over the disk's space", () => {
  test("refuses publishes while there is too little, and takes them again by itself", async () => {
    const clock = new ManualClock();
    const disk = { free: 100 * MIB };
    const told: boolean[] = [];
    const space = new DiskSpace(
      "/data/waybill.db",
      64 * MIB,
      clock,
      (isLow) => told.push(isLow),
      (folder) => Promise.resolve(folder === "/data" ? disk.free : NaN),
    );
    await space.start(() => Promise.resolve(0));
    expect(() => space.refuseWhenLow()).not.toThrow();

    disk.free = 63 * MIB;
    await clock.pass(1_000);
    expect(() => space.refuseWhenLow()).toThrow(/nearly full: 63.0 MiB are free, 64.0 MiB are kept for acks/);
    expect(refusalOf(space)).toMatchObject({ code: "DISK_FULL", retryable: true });

    disk.free = 64 * MIB;
    await clock.pass(1_000);
    expect(() => space.refuseWhenLow()).not.toThrow();
    expect(told).toEqual([true, false]);
  });

  test("counts what acks have freed within the file", async () => {
    const clock = new ManualClock();
    let reusable = 0;
    const space = new DiskSpace("/data/waybill.db", 64 * MIB, clock, undefined, () => Promise.resolve(10 * MIB));
    await space.start(() => Promise.resolve(reusable));
    expect(() => space.refuseWhenLow()).toThrow(/nearly full/);
    reusable = 60 * MIB;
    await clock.pass(1_000);
    expect(() => space.refuseWhenLow()).not.toThrow();
  });

  test("does not stand in the way where the disk does not say", async () => {
    const space = new DiskSpace("/data/waybill.db", 64 * MIB, new ManualClock(), undefined, () =>
      Promise.reject(new Error("no such system call")),
    );
    await space.start(() => Promise.resolve(0));
    expect(() => space.refuseWhenLow()).not.toThrow();
  });
});

test("a hub on a disk that is nearly full refuses publishes, and all else goes on", async () => {
  const file = sqliteFile();
  const first = await startHub({ store: file });
  const { client: shop } = await connectStock(first.url, { auth: { clientId: "shop" } });
  const published = await shop.request<PublishReply>("publish", { id: "a", queue: "driver", event: "pickup" });
  expect(published).toMatchObject({ results: [{ status: "stored" }] });
  shop.close();
  await first.stop();

  // More than any disk has.
  const settings = { ...readSettings({}), minFreeBytes: 2 ** 60, rules: rulesWith() };
  const hub = await startHub({ store: await openStore(file, settings, () => {}) });
  const { client } = await connectStock(hub.url, { auth: { clientId: "d1" } });
  const refused = await client.request("publish", { id: "b", queue: "driver", event: "pickup" });
  expect(refused).toMatchObject({ ok: false, error: { code: "DISK_FULL", retryable: true } });
  expect(await client.request<ConsumeReply>("consume", { queue: "driver" })).toMatchObject({ ok: true });
  const { messages } = await client.next<Deliver>("deliver");
  const deliveries = messages.map(({ id, attempt }) => ({ id, attempt }));
  const acked = await client.request<AckReply>("ack", { queue: "driver", deliveries });
  expect(acked).toMatchObject({ results: [{ id: "a", status: "acked" }] });
  expect((await fetch(`${hub.url}/healthz`)).status).toBe(200);

  await hub.restart({ store: file });
  await client.next("welcome");
  const again = await client.request("publish", { id: "b", queue: "driver", event: "pickup" });
  expect(again).toMatchObject({ results: [{ status: "stored" }] });
});

const SMALL_DISK_MIB = 24;
const HOUR = 3_600_000;

testUnless(
  whyNoSmallDisk(),
  "a disk that is full in earnest: publishes are refused, acks go through where there is room for them, nothing confirmed is lost",
  async () => {
    const folder = mountSmallDisk();
    const [large, small] = [path.join(folder, "large"), path.join(folder, "small")];
    fs.writeFileSync(large, Buffer.alloc(6 * MIB));
    fs.writeFileSync(small, Buffer.alloc(MIB));
    let store = await open(`sqlite:${path.join(folder, "waybill.db")}`);
    try {
      const confirmed = new Set<string>();
      const leased = await publishUntilFull(store, confirmed);

      // Room for acks, and not for what is published in the same turn, and so goes to the disk with them.
      fs.rmSync(small);
      const [published, settled] = await Promise.allSettled([
        store.append([{ ...message("too large"), payload: JSON.stringify("x".repeat(3 * MIB)) }]),
        store.settle(leased.map((delivery) => ackOf(delivery))),
      ]);
      expect(published).toMatchObject({ status: "rejected", reason: { code: "DISK_FULL", retryable: true } });
      expect(settled).toEqual({ status: "fulfilled", value: leased.map(() => "done") });
      for (const { id } of leased) confirmed.delete(id);

      fs.rmSync(large);
      expect(await store.append([message("after")])).toMatchObject([{ status: "stored" }]);
      confirmed.add("after");

      // As after a crash: what is on the disk is all there is.
      const copy = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-full-"));
      for (const part of ["", "-wal", "-mark"]) {
        fs.copyFileSync(path.join(folder, `waybill.db${part}`), path.join(copy, `waybill.db${part}`));
      }
      await store.close();
      store = await open(`sqlite:${path.join(copy, "waybill.db")}`);
      const request = { holder: "session", client: "d1", limit: 100_000, limitBytes: Infinity };
      const found = new Set<string>();
      for (let dealt = -1; dealt !== 0;) {
        const deliveries = await store.lease(QUEUE, [request], Date.now(), 60_000);
        for (const { message } of deliveries) found.add(message.id);
        dealt = deliveries.length;
        if (found.size < confirmed.size && dealt === 0) dealt = await hinted(store);
      }
      expect([...confirmed].filter((id) => !found.has(id))).toEqual([]);
      expect(leased.filter(({ id }) => found.has(id))).toEqual([]);
      fs.rmSync(copy, { recursive: true, force: true });
    } finally {
      for (const file of [large, small]) fs.rmSync(file, { force: true });
      await store.close();
      unmount(folder);
    }
  },
  60_000,
);

testUnless(
  whyNoSmallDisk(),
  "a disk without room for a step of the clock puts it off: acks go through, and it is made up for when there is room",
  async () => {
    const folder = mountSmallDisk();
    const filler = path.join(folder, "filler");
    const store = await open(`sqlite:${path.join(folder, "waybill.db")}`);
    try {
      const now = Date.now();
      const mortal = Array.from({ length: 2_000 }, (_, number) => ({
        ...message(`m${number}`),
        payload: JSON.stringify("x".repeat(100)),
        expiresAt: now + HOUR,
      }));
      for (let from = 0; from < mortal.length; from += 200) await store.append(mortal.slice(from, from + 200));
      const request = { holder: "session", client: "d1", limit: 1, limitBytes: Infinity };
      const [leased] = await store.lease(QUEUE, [request], now, HOUR);
      const { bavail, bsize } = fs.statfsSync(folder);
      fs.writeFileSync(filler, Buffer.alloc(bavail * bsize - 128 * 1024));

      await expect(store.moveDeadlines(2 * HOUR)).rejects.toMatchObject({ code: "DISK_FULL" });
      await expect(store.moveDeadlines(0)).rejects.toMatchObject({ code: "DISK_FULL" });
      const ack = ackOf({ id: leased?.message.id ?? "", attempt: leased?.attempt ?? 0 });
      expect(await store.settle([ack])).toEqual(["done"]);
      expect(await store.deadLetters(QUEUE, {}, 10, 0)).toEqual([]);

      fs.rmSync(filler);
      await store.moveDeadlines(0);
      await store.expire(now + 3 * HOUR - 1);
      expect(await store.stats(QUEUE)).toMatchObject({ ready: 1_999, expired: 0 });
      await store.expire(now + 3 * HOUR);
      expect(await store.stats(QUEUE)).toMatchObject({ ready: 0, expired: 1_999 });
    } finally {
      fs.rmSync(filler, { force: true });
      await store.close();
      unmount(folder);
    }
  },
  60_000,
);

/** Fills the disk. @returns deliveries that are out, leased before it was full. */
async function publishUntilFull(store: Store, confirmed: Set<string>): Promise<{ id: string; attempt: number }[]> {
  const first = Array.from({ length: 50 }, (_, number) => message(`first-${number}`));
  note(await store.append(first), first, confirmed);
  const request = { holder: "session", client: "d1", limit: 50, limitBytes: Infinity };
  const leased = await store.lease(QUEUE, [request], Date.now(), 60_000);
  expect(leased).toHaveLength(50);
  for (let batch = 0; ; batch++) {
    const messages = Array.from({ length: 20 }, (_, number) => message(`more-${batch}-${number}`));
    try {
      note(await store.append(messages), messages, confirmed);
    } catch (error) {
      expect((error as WaybillError).code).toBe("DISK_FULL");
      break;
    }
    if (batch > 10_000) throw new Error("the small disk never filled up");
  }
  return leased.map(({ message: { id }, attempt }) => ({ id, attempt }));
}

function refusalOf(space: DiskSpace): unknown {
  try {
    return space.refuseWhenLow();
  } catch (error) {
    return error;
  }
}

function ackOf({ id, attempt }: { id: string; attempt: number }): SettleRequest {
  return { queue: QUEUE, id, attempt, holder: "session", settlement: { action: "ack" } };
}

function note(results: readonly AppendResult[], messages: readonly NewMessage[], confirmed: Set<string>): void {
  for (const [index, result] of results.entries()) if ("status" in result) confirmed.add(messages[index]?.id ?? "");
}

/** Resolves when the store says that more is ready: it reads a backlog page by page. */
function hinted(store: Store): Promise<number> {
  return new Promise((resolve) => store.onHint(() => resolve(1)));
}

function open(url: string): Promise<Store> {
  return openStore(url, { ...readSettings({ minFreeBytes: 0 }), rules: rulesWith() }, () => {});
}

function message(id: string): NewMessage {
  return {
    target: QUEUE,
    id,
    event: "pickup",
    payload: JSON.stringify("x".repeat(2_000)),
    priority: 4,
    group: undefined,
    headers: undefined,
    publisher: "shop",
    publishedAt: Date.now(),
    dueAt: undefined,
    isDueFixed: false,
    expiresAt: undefined,
  };
}

function whyNoSmallDisk(): string | undefined {
  try {
    unmount(mountSmallDisk());
    return undefined;
  } catch (error) {
    return `a small filesystem cannot be mounted (${String(error).split("\n")[0] ?? ""})`;
  }
}

function mountSmallDisk(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-disk-"));
  const options = ["-t", "tmpfs", "-o", `size=${SMALL_DISK_MIB}m`, "waybill-test", folder];
  try {
    execFileSync("mount", options, { stdio: "pipe" });
  } catch (error) {
    fs.rmdirSync(folder);
    throw error;
  }
  return folder;
}

function unmount(folder: string): void {
  execFileSync("umount", [folder], { stdio: "pipe" });
  fs.rmdirSync(folder);
}
