import { connect, type HubClient } from "../../clients/hub-client";
import { createSampleOrder, pickupMessage, progressMessage, readOrder } from "../../clients/terminal/order";
import type { Hub } from "../../src/hub";
import { startHub, stopHubs } from "../support/start-hub";
import { waitUntil } from "../support/wait-until";
import { StockClient } from "../support/stock-client";
import { killTerminals, TerminalProcess } from "./terminal-process";

// Each terminal is a process that compiles itself first.
jest.setTimeout(60_000);

const QUICK = "--work 10ms --transit 10ms";
const clients: HubClient[] = [];

afterEach(async () => {
  await killTerminals();
  await Promise.all(clients.splice(0).map((client) => client.close({ timeoutMs: 0 })));
  await stopHubs();
});

function start(command: string, url: string): TerminalProcess {
  return new TerminalProcess(command, { WAYBILL_URL: url });
}

function client(url: string, clientId: string): HubClient {
  const connected = connect(url, { namespace: "/caps", clientId });
  clients.push(connected);
  return connected;
}

/** A shop that notes what it hears, and can be waited on. */
async function shop(
  url: string,
): Promise<{ client: HubClient; heard: string[]; until: (news: string) => Promise<void> }> {
  const acme = client(url, "acme");
  const heard: string[] = [];
  const waiters = new Set<() => void>();
  await acme.consume(undefined, ({ event, payload }) => {
    heard.push(`${event} ${readOrder(payload)?.orderId}`);
    waiters.forEach((check) => check());
  });
  const until = (news: string): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (heard.includes(news)) resolve();
      };
      waiters.add(check);
      check();
    });
  return { client: acme, heard, until };
}

function untilHeld(hub: Hub, held: number): Promise<void> {
  return waitUntil(() => hub.counts().held === held);
}

test("by hand: sees an offer, takes it, delivers it", async () => {
  const { url } = await startHub();
  const acme = await shop(url);
  const driver = start("driver d7 --manual", url);
  const order = createSampleOrder("acme");
  const { orderId } = order;
  await acme.client.publish(pickupMessage(order, undefined));

  await driver.line(new RegExp(`^DRIVER: offer ${orderId} from acme: ${order.customer}, ${order.address}`));
  driver.type("deliver");
  await driver.line(/^DRIVER: no parcel is in hand$/);
  driver.type("take");
  await driver.line(new RegExp(`^DRIVER: picked up ${orderId}$`));
  await acme.until(`in-transit ${orderId}`);
  driver.type("deliver");
  await driver.line(new RegExp(`^DRIVER: delivered ${orderId}$`));
  driver.type("quit");
  const { code, lines } = await driver.ended;
  expect(code).toBe(0);
  expect(lines.at(-1)).toBe("DRIVER: taken 1, delivered 1, failed 0");
  await acme.until(`delivered ${orderId}`);
});

test("exclusive: one stands by while the other works, and has all of its parcels once that one is gone", async () => {
  const { url } = await startHub({ graceMs: 60_000 });
  const acme = await shop(url);
  const orders = [createSampleOrder("acme"), createSampleOrder("acme"), createSampleOrder("acme")];
  const offered = (place: number) => new RegExp(`^DRIVER: offer ${orders[place]?.orderId} `);
  const publish = async (place: number) => {
    const order = orders[place];
    if (order) await acme.client.publish(pickupMessage(order, undefined));
  };
  const first = start("driver d1 --exclusive --manual --capacity 3", url);
  await publish(0);
  await first.line(offered(0));
  const second = start("driver d2 --exclusive --manual --capacity 3", url);
  await second.line(/^HUB: connected/);
  for (const place of [1, 2]) {
    await publish(place);
    await first.line(offered(place));
  }
  await first.kill();
  for (const place of [0, 1, 2]) await second.line(offered(place));
});

test("by hand: what it fails is offered again, and what it still has on leaving goes to another", async () => {
  const { url } = await startHub({ backoffMs: 10, backoffMaxMs: 10 });
  const acme = await shop(url);
  const leaving = start("driver d7 --manual", url);
  const order = createSampleOrder("acme");
  await acme.client.publish(pickupMessage(order, undefined));
  await leaving.line(/^DRIVER: offer/);
  leaving.type("fail nobody at home");
  await leaving.line(/^DRIVER: gave back \w+: nobody at home$/);
  await leaving.line(/^DRIVER: offer/, 2);
  leaving.type("take");
  await leaving.line(/^DRIVER: picked up \w+ \(given out before\)$/);
  leaving.endInput();
  const { code, lines } = await leaving.ended;
  expect(code).toBe(0);
  expect(lines.slice(-2)).toEqual([
    `DRIVER: gave back ${order.orderId}: driver d7 went home`,
    "DRIVER: taken 1, delivered 0, failed 2",
  ]);

  const other = start(`driver d8 ${QUICK}`, url);
  await other.line(new RegExp(`^DRIVER: delivered ${order.orderId}`));
  await acme.until(`delivered ${order.orderId}`);
});

test("an order for one driver goes to that one", async () => {
  const { url } = await startHub();
  const other = start(`driver d1 ${QUICK}`, url);
  await other.line(/connected/);
  const asked = start(`driver d7 ${QUICK}`, url);
  const vendor = start("vendor acme --every 20ms --count 2 --driver d7", url);
  expect((await vendor.ended).code).toBe(0);
  expect((await other.interrupt()).lines.at(-1)).toBe("DRIVER: taken 0, delivered 0, failed 0");
  expect((await asked.interrupt()).lines.at(-1)).toBe("DRIVER: taken 2, delivered 2, failed 0");
});

test("what a killed driver had in hand is carried by another, and its shop hears of it once", async () => {
  const { url } = await startHub({ graceMs: 20 });
  const acme = await shop(url);
  const killed = start("driver d1 --work 10ms --transit 1h", url);
  const order = createSampleOrder("acme");
  await acme.client.publish(pickupMessage(order, undefined));
  await killed.line(/^DRIVER: picked up/);
  await killed.kill();
  const other = start(`driver d2 ${QUICK}`, url);
  await other.line(new RegExp(`^DRIVER: picked up ${order.orderId} \\(given out before\\)$`));
  await acme.until(`delivered ${order.orderId}`);
  expect(acme.heard).toEqual([`in-transit ${order.orderId}`, `delivered ${order.orderId}`]);
});

test("a driver that is given what was delivered before a crash does not tell the shop twice", async () => {
  const { url } = await startHub({ graceMs: 20 });
  const acme = await shop(url);
  const order = createSampleOrder("acme");
  const { id = "" } = pickupMessage(order, undefined);
  await acme.client.publish(pickupMessage(order, undefined));
  const crashed = client(url, "d1");
  await new Promise<void>((resolve) => {
    // Tells the shop, and goes before it has acked the pickup.
    void crashed.consume("driver", async () => {
      await crashed.publish(progressMessage(id, order, "delivered", "d1"));
      resolve();
      return new Promise(() => undefined);
    });
  });
  await crashed.close({ timeoutMs: 0 });
  const driver = start(`driver d2 ${QUICK}`, url);
  await driver.line(new RegExp(`^DRIVER: delivered ${order.orderId} \\(its shop knew already\\)$`));
  expect(acme.heard.filter((news) => news.startsWith("delivered"))).toEqual([`delivered ${order.orderId}`]);
});

test("finishes what is in hand when it is stopped; asked twice, it leaves it and exits 1", async () => {
  const { url } = await startHub({ graceMs: 20 });
  const acme = await shop(url);
  const driver = start("driver d1 --work 10ms --transit 1500ms", url);
  const [first, second] = [createSampleOrder("acme"), createSampleOrder("acme")];
  await acme.client.publish(pickupMessage(first, undefined));
  await driver.line(/^DRIVER: picked up/);
  expect((await driver.interrupt()).lines.slice(-3)).toEqual([
    "DRIVER: finishing what is in hand: 1 (Ctrl-C again to leave it)",
    `DRIVER: delivered ${first.orderId}`,
    "DRIVER: taken 1, delivered 1, failed 0",
  ]);

  const hasty = start("driver d2 --work 10ms --transit 1h", url);
  await acme.client.publish(pickupMessage(second, undefined));
  await hasty.line(/^DRIVER: picked up/);
  void hasty.interrupt();
  await hasty.line(/^DRIVER: finishing/);
  const { code, lines } = await hasty.interrupt();
  expect(code).toBe(1);
  expect(lines.at(-1)).toBe("DRIVER: taken 1, delivered 0, failed 0, still in hand 1");
});

test.each(["--manual", "--work 10ms --transit 1500ms"])(
  "stopped, it takes nothing more: what waits in its other queue goes back without a failure (%s)",
  async (how) => {
    const { url, hub } = await startHub();
    const acme = await shop(url);
    const driver = start(`driver d7 ${how}`, url);
    const [own, anyones] = [createSampleOrder("acme"), createSampleOrder("acme")];
    await acme.client.publish(pickupMessage(own, "d7"));
    const manual = how === "--manual";
    await driver.line(manual ? /^DRIVER: offer/ : /^DRIVER: picked up/);
    const second = pickupMessage(anyones, undefined);
    await acme.client.publish(second);
    await untilHeld(hub, 2);
    if (manual) driver.type("quit");
    const { lines } = manual ? await driver.ended : await driver.interrupt();
    expect(lines.filter((line) => /offer|picked up/.test(line))).toHaveLength(1);
    expect(lines.filter((line) => line.includes(anyones.orderId))).toEqual([]);
    expect(await acme.client.why(second.id ?? "")).toMatchObject([{ state: "ready", attempts: 1, failures: 0 }]);
    if (!manual) return;
    expect(lines).toContain(`DRIVER: gave back ${own.orderId}: driver d7 went home`);
    const offered = await acme.client.why(pickupMessage(own, "d7").id ?? "");
    expect(offered).toMatchObject([{ state: "ready", attempts: 1, failures: 0 }]);
  },
);

test("carries for a stock client of the classroom dialect", async () => {
  const { url } = await startHub();
  const driver = start(`driver d1 ${QUICK}`, url);
  const vendor = new StockClient(url, { namespace: "/caps" });
  vendor.socket.emit("join", "acme");
  vendor.socket.emit("pickup", { store: "acme", orderId: "1234", customer: "Jamal Braun", address: "Schmittfort LA" });
  await driver.line(/^DRIVER: delivered 1234$/);
  const delivered = { orderId: "1234", order: { customer: "Jamal Braun", driver: "d1" } };
  await expect(vendor.next("delivered")).resolves.toMatchObject(delivered);
});

test("makes a dead letter of what is no order, and goes on", async () => {
  const { url } = await startHub();
  const acme = await shop(url);
  const driver = start(`driver d1 ${QUICK}`, url);
  await acme.client.publish({ id: "junk", queue: "driver", event: "pickup", payload: [1, 2] });
  // No hub takes such a name for a client, so nobody could be told.
  const nowhere = { ...createSampleOrder("acme"), store: "@acme" };
  await acme.client.publish({ queue: "driver", event: "pickup", payload: nowhere });
  const order = createSampleOrder("acme");
  await acme.client.publish(pickupMessage(order, undefined));
  await acme.until(`delivered ${order.orderId}`);
  await driver.line(/^DRIVER: junk \(event pickup\) is not an order: made a dead letter$/);
  await driver.line(new RegExp(`^DRIVER: gave back ${nowhere.orderId}: `));
  expect((await driver.interrupt()).lines.at(-1)).toBe("DRIVER: taken 2, delivered 1, failed 2");
});
