/**
 * The demo: a hub, a vendor and two drivers as processes of their own; a driver and then the hub are killed in
 * mid-stream and started again. Ends with a tally of what the vendor was told, and exit code 1 when anything is amiss.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { connect } from "../clients/hub-client";
import { readOrder } from "../clients/terminal/order";
import { SETTINGS } from "../src/config";
import { Child } from "./child";
import { Columns, type Actor } from "./columns";
import { Facts } from "./facts";

const STORE = "acme-widgets";
const ORDERS = 28;
const KILL_DRIVER_AFTER = 5;
const KILL_HUB_AFTER = 22;
const AWAY_MS = 2_000;
/** In which anything that is still under way to the vendor would arrive. */
const LISTEN_MS = 1_000;
const TIME_LIMIT_MS = 90_000;

type Driver = Exclude<Actor, "vendor">;

const screen = new Columns(process.stdout);
const facts = new Facts();
const running = new Set<Child>();
const folder = mkdtempSync(join(tmpdir(), "waybill-demo-"));

async function main(): Promise<number> {
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  const startHub = async (): Promise<Child> => {
    const hub = start(["hub"], { PORT: String(port), WAYBILL_STORE: "sqlite:waybill.db" });
    await Promise.race([hubAnswers(url), unexpectedEnd(hub, "the hub")]);
    return hub;
  };
  const startDriver = (driver: Driver): Child =>
    start(["driver", driver, "--url", url, "--work", "300ms", "--transit", "700ms", "--capacity", "2"], {}, (line) => {
      facts.driverSaid(driver, line);
      screen.say(driver, abridge(line, url));
    });

  screen.announce(`starting a hub on ${url}, its messages in ${folder}`);
  let hub = await startHub();
  screen.header({ vendor: `vendor ${STORE}`, d1: "driver d1", d2: "driver d2" });
  let d1 = startDriver("d1");
  const d2 = startDriver("d2");
  const vendor = start(["vendor", STORE, "--url", url, "--every", "450ms", "--count", String(ORDERS)], {}, (line) => {
    facts.vendorSaid(line);
    screen.say("vendor", abridge(line, url));
  });

  const midStream = (holds: () => boolean): Promise<unknown> =>
    Promise.race([facts.until(holds), unexpectedEnd(vendor, "the vendor")]);

  await midStream(() => facts.confirmed.size >= KILL_DRIVER_AFTER && facts.inHandOf("d1").size > 0);
  await d1.kill();
  running.delete(d1);
  const orphans = [...facts.inHandOf("d1")];
  facts.inHandOf("d1").clear();
  screen.announce(`kill -9: driver d1 is gone, and had in hand: ${orphans.join(", ")}`);
  await wait(AWAY_MS);
  screen.announce("driver d1 starts again");
  d1 = startDriver("d1");

  // The other driver is given what the dead one held, once the hub has waited for it; but not so long that the stream ends.
  await midStream(() => orphans.every((orderId) => facts.told.has(orderId)) || facts.confirmed.size >= KILL_HUB_AFTER);
  const gone = hub.kill();
  screen.announce("kill -9: the hub is gone");
  await gone;
  running.delete(hub);
  await wait(AWAY_MS);
  screen.announce("the hub starts again on the same file");
  hub = await startHub();

  const code = await vendor.exited;
  screen.announce("the vendor has ended; drivers finish what is in hand");
  await Promise.all([d1.stop(), d2.stop()]);
  await hearWhatIsLeft(url);
  await hub.stop();
  return printTally(code);
}

/** The columns are narrow: speaker and hub stand above them; addresses and long reasons are for real terminals. */
function abridge(line: string, url: string): string {
  return line
    .replace(/^(VENDOR|DRIVER): /, "")
    .replace(` to ${url}`, "")
    .replace(/^(order (?:confirmed )?\w+: [^,]+), [^(]+?(?= \(|$)/, "$1")
    .replace(/ \([^)]{40,}\)$/, "");
}

function start(args: string[], env: NodeJS.ProcessEnv, onLine: (line: string) => void = () => undefined): Child {
  const child = new Child(args, folder, { ...DEFAULT_SETTINGS, ...env }, onLine);
  running.add(child);
  return child;
}

/** Set but empty counts as not given: the demo runs on defaults, whatever the shell says. */
const DEFAULT_SETTINGS: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.values(SETTINGS).map(({ env }) => [env, ""])),
  LOG_LEVEL: "warn",
  WAYBILL_TOKEN: "",
};

async function hubAnswers(url: string): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}/healthz`).catch(() => undefined);
    if (answer?.ok) return;
    await wait(50);
  }
}

async function unexpectedEnd(child: Child, name: string): Promise<never> {
  const code = await child.exited;
  throw new Error(`${name} ended with code ${code}: ${child.complaints.trim()}`);
}

/** News that reached the vendor's queue after the vendor had ended: an order told twice would be here. */
async function hearWhatIsLeft(url: string): Promise<void> {
  const client = connect(url, { namespace: "/caps", clientId: STORE });
  await client.consume(undefined, ({ event, payload }) => {
    const order = readOrder(payload);
    if (event === "delivered" && order) facts.toldDelivered(order.orderId);
  });
  await wait(LISTEN_MS);
  await client.close();
}

function printTally(vendorCode: number | null): number {
  const { confirmed, told, lost, twice, carriedAgain } = facts;
  const { bold, green, red } = screen.colors;
  screen.announce("tally, of what the vendor was told");
  screen.print(`  orders confirmed by the hub   ${confirmed.size}`);
  screen.print(`  orders delivered              ${told.size}`);
  screen.print(`  lost                          ${lost.length}${lost.length > 0 ? `: ${lost.join(", ")}` : ""}`);
  screen.print(`  told twice                    ${twice.length}${twice.length > 0 ? `: ${twice.join(", ")}` : ""}`);
  screen.print(`  carried again after a crash   ${carriedAgain} (their shop was told once)`);
  const good =
    vendorCode === 0 && confirmed.size === ORDERS && told.size === ORDERS && lost.length === 0 && twice.length === 0;
  screen.print(
    good
      ? bold(green("every order delivered, none twice, none lost"))
      : bold(red(`something is amiss (the vendor ended with code ${vendorCode})`)),
  );
  return good ? 0 : 1;
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function timeLimit(): Promise<never> {
  await wait(TIME_LIMIT_MS, undefined, { ref: false });
  throw new Error(`not through within ${TIME_LIMIT_MS / 1000} s; lost so far: ${facts.lost.join(", ")}`);
}

async function interrupted(): Promise<never> {
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  throw new Error("interrupted");
}

async function run(): Promise<void> {
  try {
    process.exitCode = await Promise.race([main(), timeLimit(), interrupted()]);
  } catch (error) {
    process.exitCode = 1;
    screen.announce(`demo failed: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await Promise.all([...running].map((child) => child.kill()));
    rmSync(folder, { recursive: true, force: true });
  }
  // The losers of the race above would keep the process.
  process.exit();
}

void run();
