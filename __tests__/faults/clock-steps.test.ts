import fs from "node:fs";
import path from "node:path";
import type { ConsumeReply, Deliver, PublishReply } from "../../src/protocol/wire";
import { compileProgram, removeCompiled } from "../support/compiled";
import { HubProcess, stopHubProcesses, temporaryFolder } from "../support/hub-process";
import { closeStockClients, connectStock } from "../support/stock-client";
import { testUnless } from "./optional";

const HOUR_S = 3_600;
const LEASE_MS = 2_500;
const DELAY_MS = 2_000;
/** How much later than asked for something may come here: ticks, and a machine with other things to do. */
const LATE_MS = 1_500;
const QUEUE = "driver";

const FAKETIME = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/faketime/libfaketimeMT.so.1",
].find((file) => fs.existsSync(file));

afterEach(async () => {
  closeStockClients();
  await stopHubProcesses();
});
afterAll(removeCompiled);

/** A hub whose time of day can be set while it runs. */
async function startHub(): Promise<{ url: string; setBack: (seconds: number) => void; hub: HubProcess }> {
  const folder = temporaryFolder();
  const offset = path.join(folder, "offset");
  const setBack = (seconds: number): void =>
    fs.writeFileSync(offset, `${seconds < 0 ? "-" : "+"}${Math.abs(seconds)}\n`);
  setBack(0);
  const hub = new HubProcess({
    compiled: compileProgram(),
    flags: ["--port", "0", "--lease-ms", String(LEASE_MS), "--backoff-ms", "0"],
    env: {
      LD_PRELOAD: FAKETIME ?? "",
      FAKETIME_TIMESTAMP_FILE: offset,
      // The file is looked at each time, and a step leaves alone what only counts seconds.
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
  });
  return { url: await hub.url(), setBack, hub };
}

/** Milliseconds that this took. */
async function timed(wait: Promise<unknown>): Promise<number> {
  const from = performance.now();
  await wait;
  return performance.now() - from;
}

describe.each([
  ["forwards", HOUR_S],
  ["back", -HOUR_S],
])("the machine's clock, set an hour %s", (_which, stepSeconds) => {
  testUnless(
    FAKETIME === undefined ? "libfaketime is not installed" : undefined,
    "leaves leases and delays as long as they were given",
    async () => {
      const { url, setBack } = await startHub();
      const { client: holder } = await connectStock(url, { auth: { clientId: "d1" } });
      const { client: shop } = await connectStock(url, { auth: { clientId: "shop" } });
      await holder.request<ConsumeReply>("consume", { queue: QUEUE, prefetch: 1 });
      await shop.request<PublishReply>("publish", { id: "leased", queue: QUEUE, event: "pickup" });
      const first = await holder.next<Deliver>("deliver");
      expect(first.messages).toMatchObject([{ id: "leased", attempt: 1 }]);
      // It keeps what it has, and is given nothing more.
      await holder.request("cancel", { queue: QUEUE });
      const { client: other } = await connectStock(url, { auth: { clientId: "d2" } });
      await other.request<ConsumeReply>("consume", { queue: QUEUE });
      const leased = timed(other.next<Deliver>("deliver", LEASE_MS + 2 * LATE_MS));

      await shop.request<PublishReply>("publish", { id: "late", queue: "late", event: "pickup", delayMs: DELAY_MS });
      await shop.request<ConsumeReply>("consume", { queue: "late" });
      const delayed = timed(shop.next<Deliver>("deliver", DELAY_MS + 2 * LATE_MS));
      setBack(stepSeconds);

      const [delayedMs, leasedMs] = await Promise.all([delayed, leased]);
      expect(delayedMs).toBeGreaterThan(DELAY_MS - 300);
      expect(delayedMs).toBeLessThan(DELAY_MS + LATE_MS);
      expect(leasedMs).toBeGreaterThan(LEASE_MS - 500);
      expect(leasedMs).toBeLessThan(LEASE_MS + LATE_MS);

      // The step was seen, and what is published now has the new time.
      await shop.request<PublishReply>("publish", { id: "now", queue: "late", event: "pickup" });
      const { messages } = await shop.next<Deliver>("deliver");
      const publishedAt = Date.parse(messages[0]?.publishedAt ?? "");
      expect(Math.abs(publishedAt - (Date.now() + stepSeconds * 1000))).toBeLessThan(60_000);
    },
    60_000,
  );
});
