import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "../../clients/hub-client";
import { sqliteFile, startHub, stopHubs } from "../support/start-hub";
import { killTerminals, TerminalProcess } from "./terminal-process";

// Each terminal is a process that compiles itself first.
jest.setTimeout(60_000);

afterEach(killTerminals);
afterEach(stopHubs);

const QUICK = "--work 10ms --transit 10ms";
const THANKS = /^VENDOR: Thank you for your order .+ \(\w+\)$/;

function start(command: string, url: string, env: NodeJS.ProcessEnv = {}): TerminalProcess {
  return new TerminalProcess(command, { WAYBILL_URL: url, ...env });
}

test("places its orders, thanks for each, and ends by itself with a summary", async () => {
  const { url } = await startHub();
  const driver = start(`driver d1 ${QUICK}`, url);
  const vendor = start("vendor acme --every 20ms --count 3", url, { CI: "1" });

  const { code, lines, complaints } = await vendor.ended;
  expect({ code, complaints }).toEqual({ code: 0, complaints: "" });
  expect(lines[0]).toBe(`HUB: connected to ${url} as acme, messages in memory only`);
  expect(lines.filter((line) => THANKS.test(line))).toHaveLength(3);
  expect(lines.filter((line) => line.startsWith("VENDOR: order confirmed "))).toHaveLength(3);
  expect(lines.at(-1)).toBe("VENDOR: sent 3, confirmed 3, delivered 3, outstanding 0");
  // Plain where nobody watches: no colours, no prompt.
  expect(lines.filter((line) => line.includes("\u001b") || line.includes("> "))).toEqual([]);

  const shift = await driver.interrupt();
  expect(shift.code).toBe(0);
  expect(shift.lines.at(-1)).toBe("DRIVER: taken 3, delivered 3, failed 0");
});

test("waits for a hub that is away, says so, and delivers when it is there", async () => {
  const started = await startHub();
  await started.hub.close();
  const vendor = start("vendor acme --every 20ms --count 1", started.url);
  await vendor.line(new RegExp(`^HUB: no hub at ${started.url} yet \\(ECONNREFUSED\\), trying again$`));
  await started.restart();
  start(`driver d1 ${QUICK}`, started.url);
  expect((await vendor.ended).code).toBe(0);
});

test("keeps orders while the hub is gone, and places them when it is back", async () => {
  const started = await startHub({ store: sqliteFile() });
  const vendor = start("vendor acme --every off", started.url);
  vendor.type("order Jamal Braun, Schmittfort LA");
  await vendor.line(/^VENDOR: order confirmed \w+: Jamal Braun, Schmittfort LA$/);
  await started.hub.close();
  await vendor.line(/^HUB: going down in order/);
  await vendor.line(/^HUB: connection lost/);
  await vendor.line(/^HUB: away \(ECONNREFUSED\), trying again until it is back$/);
  vendor.type("order Ines Caldeira, Quillhaven NC");
  await vendor.line(/^VENDOR: order \w+: Ines Caldeira, Quillhaven NC \(kept until the hub confirms it\)$/);
  await started.restart();
  await vendor.line(/^VENDOR: order confirmed \w+: Ines Caldeira, Quillhaven NC$/);
  vendor.type("quit");
  const { code, lines } = await vendor.ended;
  // Confirmed is settled: the hub has them, and delivers to this store whenever it is back.
  expect(code).toBe(0);
  expect(lines.at(-1)).toBe("VENDOR: sent 2, confirmed 2, delivered 0, outstanding 2");
});

test("stopped with an order that was never confirmed, it says so and exits 1", async () => {
  const started = await startHub();
  const vendor = start("vendor acme --every off", started.url);
  await vendor.line(/connected/);
  await started.hub.close();
  await vendor.line(/^HUB: connection lost/);
  vendor.type("order Jamal Braun, Schmittfort LA");
  await vendor.line(/kept until/);
  const { code, lines } = await vendor.interrupt();
  expect(code).toBe(1);
  expect(lines.at(-1)).toBe("VENDOR: sent 1, confirmed 0, delivered 0, outstanding 1");
});

test("typed before the hub was ever there: orders are kept for it, quit leaves and says that they are unconfirmed", async () => {
  const vendor = start("vendor acme --every off", "http://127.0.0.1:9");
  await vendor.line(/^HUB: no hub at/);
  vendor.type("order Jamal Braun, Schmittfort LA");
  await vendor.line(/^VENDOR: order \w+: Jamal Braun, Schmittfort LA \(kept until the hub confirms it\)$/);
  vendor.type("burst 21");
  await vendor.line(/^VENDOR: burst of 21: placed \(kept until the hub confirms it\)$/);
  vendor.type("orders");
  await vendor.line(/^VENDOR: and 2 older$/);
  vendor.type("quit");
  const { code, lines } = await vendor.ended;
  expect(code).toBe(1);
  expect(lines.at(-1)).toBe("VENDOR: sent 22, confirmed 0, delivered 0, outstanding 22");
});

test("stopped before all that it was to place is placed, it says so and exits 1", async () => {
  const vendor = start("vendor acme --count 3", "http://127.0.0.1:9");
  await vendor.line(/^HUB: no hub at/);
  const { code, lines } = await vendor.interrupt();
  expect(code).toBe(1);
  expect(lines.at(-1)).toBe("VENDOR: sent 0, confirmed 0, delivered 0, outstanding 0, not placed 3");
});

test("stopped before all that it was to have delivered is delivered, it exits 1", async () => {
  const { url } = await startHub();
  const vendor = start("vendor acme --every 20ms --count 1", url);
  await vendor.line(/order confirmed/);
  expect((await vendor.interrupt()).code).toBe(1);
});

test("takes typed commands through a pipe, and ends once all that came through it is delivered", async () => {
  const { url } = await startHub();
  const vendor = start("vendor acme --every off", url);
  for (const line of ["help", "orders", "bogus", "order Jamal Braun", "order Jamal Braun, Schmittfort LA", "burst 3"]) {
    vendor.type(line);
  }
  await vendor.line(/^VENDOR: order <customer>, <address>/);
  await vendor.line(/^VENDOR: no orders yet$/);
  await vendor.line(/^VENDOR: no such command: bogus \(type help\)$/);
  await vendor.line(/^VENDOR: order needs a customer and an address/);
  await vendor.line(/^VENDOR: burst of 3: confirmed 3$/);
  vendor.type("orders");
  await vendor.line(/^VENDOR: \w+ {2}confirmed {3}Jamal Braun, Schmittfort LA$/);
  vendor.endInput();
  start(`driver d1 --capacity 4 ${QUICK}`, url);
  const { code, lines } = await vendor.ended;
  expect(code).toBe(0);
  expect(lines.at(-1)).toBe("VENDOR: sent 4, confirmed 4, delivered 4, outstanding 0");
});

test("places what came through a pipe with a quit behind it, before it was connected", async () => {
  const { url } = await startHub();
  const vendor = start("vendor acme --every off", url);
  vendor.type("order Jamal Braun, Schmittfort LA");
  vendor.type("quit");
  vendor.endInput();
  const { code, lines } = await vendor.ended;
  expect(lines.at(-1)).toBe("VENDOR: sent 1, confirmed 1, delivered 0, outstanding 1");
  expect(code).toBe(0);
});

test("a quit at the very end of a pipe is one without a line break as well", async () => {
  const { url } = await startHub();
  const vendor = start("vendor acme --every off", url);
  vendor.type("order Jamal Braun, Schmittfort LA");
  vendor.endInput("quit");
  const { code, lines } = await vendor.ended;
  expect(lines.at(-1)).toBe("VENDOR: sent 1, confirmed 1, delivered 0, outstanding 1");
  expect(code).toBe(0);
});

test("does not wait long for a hub that neither answers nor refuses, when it is told to quit", async () => {
  const silent = createServer(() => undefined).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const vendor = start("vendor acme --every off", `http://127.0.0.1:${port}`);
  vendor.type("order Jamal Braun, Schmittfort LA");
  vendor.type("quit");
  const { code, lines } = await vendor.ended;
  expect(lines.at(-1)).toBe("VENDOR: sent 1, confirmed 0, delivered 0, outstanding 1");
  expect(code).toBe(1);
  silent.close();
  // Not the time that the library gives a connection to come about.
}, 15_000);

test("leaves what came through a pipe with a quit behind it, where there is no hub", async () => {
  const vendor = start("vendor acme --every off", "http://127.0.0.1:9");
  vendor.type("order Jamal Braun, Schmittfort LA");
  vendor.type("quit");
  const { code, lines } = await vendor.ended;
  expect(lines.at(-1)).toBe("VENDOR: sent 1, confirmed 0, delivered 0, outstanding 1");
  expect(code).toBe(1);
});

test("thanks for an order of its earlier run", async () => {
  const { url } = await startHub();
  const before = start("vendor acme --every off", url);
  before.type("order Jamal Braun, Schmittfort LA");
  await before.line(/order confirmed/);
  before.type("quit");
  expect((await before.ended).code).toBe(0);
  const driver = start(`driver d1 ${QUICK}`, url);
  await driver.line(/^DRIVER: delivered/);

  const vendor = start("vendor acme --every off", url);
  await vendor.line(/^VENDOR: Thank you for your order Jamal Braun \(/);
  vendor.type("quit");
  const { code, lines } = await vendor.ended;
  expect(code).toBe(0);
  expect(lines.at(-1)).toBe("VENDOR: sent 0, confirmed 0, delivered 0, outstanding 0, delivered from an earlier run 1");
});

test("news of an earlier run's order do not end a run with --count before it has begun", async () => {
  const { url } = await startHub();
  const driver = connect(url, { namespace: "/caps", clientId: "d0" });
  const order = { store: "acme", orderId: "1", customer: "Jamal Braun", address: "Schmittfort LA" };
  await driver.publish({ client: "acme", event: "delivered", payload: order });
  await driver.close();
  start(`driver d1 ${QUICK}`, url);
  const { code, lines } = await start("vendor acme --every 20ms --count 3", url).ended;
  expect(code).toBe(0);
  expect(lines.at(-1)).toBe("VENDOR: sent 3, confirmed 3, delivered 3, outstanding 0, delivered from an earlier run 1");
});

test("something else at the hub's address is told from a hub that is away", async () => {
  const stranger = createServer((_request, response) => response.writeHead(404).end());
  stranger.on("upgrade", (_request, socket) => socket.end("HTTP/1.1 404 Not Found\r\n\r\n"));
  await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
  const vendor = start("vendor acme", `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`);
  await vendor.line(/^HUB: no hub at http:\S+ yet \(Unexpected server response: 404\), trying again$/);
  expect((await vendor.interrupt()).code).toBe(0);
  await new Promise((resolve) => stranger.close(resolve));
});

test("sets aside what is no news of an order, and goes on", async () => {
  const { url } = await startHub();
  const vendor = start("vendor acme --every off", url);
  const stranger = connect(url, { namespace: "/caps", clientId: "stranger" });
  await stranger.publish({ client: "acme", event: "delivered", payload: "junk" });
  const order = { store: "acme", orderId: "1", customer: "Jamal\u001b[2J Braun", address: "Schmittfort LA" };
  await stranger.publish({ client: "acme", event: "eaten", payload: order });
  await stranger.publish({ client: "acme", event: "delivered", payload: order });
  await stranger.close();
  await vendor.line(/^VENDOR: Thank you for your order Jamal Braun \(1\)$/);
  expect((await vendor.interrupt()).code).toBe(0);
});
