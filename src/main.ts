/** The hub as a program: settings from `.env`, the environment and flags; its log; signals and exit codes. */
import { isatty } from "node:tty";
import pino, { type Logger } from "pino";
import type { Settings } from "./config";
import { startHub, type Hub } from "./hub";
import { reasonOf } from "./protocol/errors";
import { EXIT_USAGE, gatherSettings } from "./program-settings";
import { QueuesFileError } from "./queues-file";
import { readSettings, SettingError, type Naming } from "./read-config";
import { DamagedError } from "./stores/open-store";

const EXIT_FAILED = 1;
/** The store's file is damaged, as sysexits.h has it for bad data: a supervisor should not start the hub again. */
const EXIT_DAMAGED = 65;
/** As a shell has it for a program that SIGINT ended. */
const EXIT_INTERRUPTED = 130;
const STDOUT = 1;

/**
 * Starts the hub and keeps it until a signal comes. What cannot start says why and exits 1; where a setting, the file
 * of queue rules or the command line is wrong, 2.
 *
 * @param argv flags, without the program's name.
 */
export async function runHub(argv: readonly string[]): Promise<void> {
  try {
    const { given, nameOf, unknown } = gatherSettings(argv, "waybill hub", "Starts the hub.");
    const settings = readSettings(given, nameOf);
    const log = await openLog(settings);
    const hub = await start(settings, nameOf, log);
    announce(hub, settings, log);
    if (unknown.length > 0) log.warn(`there is no setting ${unknown.join(", ")}: not looked at`);
    endOnSignals(hub, log);
  } catch (error) {
    process.stderr.write(`waybill: ${reasonOf(error)}\n`);
    process.exit(exitCodeFor(error));
  }
}

function exitCodeFor(error: unknown): number {
  if (error instanceof DamagedError) return EXIT_DAMAGED;
  return isMisconfigured(error) ? EXIT_USAGE : EXIT_FAILED;
}

/** Started again, it would say the same: a supervisor should leave it alone. */
function isMisconfigured(error: unknown): boolean {
  return error instanceof SettingError || error instanceof QueuesFileError;
}

async function start(settings: Settings, nameOf: Naming, log: Logger): Promise<Hub> {
  // Nothing can be stored or settled any more: whoever watches over this process is to start it anew.
  const onStoreLost = (error: Error) => process.exit(exitCodeFor(error));
  try {
    return await startHub(settings, { log, onStoreLost }, nameOf);
  } catch (error) {
    if (error instanceof DamagedError || isMisconfigured(error)) throw error;
    throw new Error(failedStart(error, settings), { cause: error });
  }
}

function failedStart(error: unknown, { host, port }: Settings): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE") return `port ${port} of ${host} is in use; choose another with PORT or --port`;
  if (code === "EACCES")
    return `port ${port} of ${host} may not be used by this user; choose another with PORT or --port`;
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
    return `${host} is not an address of this machine; set HOST or --host`;
  return reasonOf(error);
}

function announce(hub: Hub, { namespaces, store, authSecret }: Settings, log: Logger): void {
  const kept = { disk: "on disk before they are confirmed", replicated: "replicated", memory: "in memory only" };
  log.info(`listening on ${hub.url}, namespaces ${namespaces.join(" ")}`);
  log.info(`messages are ${kept[hub.durability]} (${withoutPassword(store)})`);
  if (authSecret === "") log.warn("no WAYBILL_AUTH_SECRET: anyone on this machine may connect; loopback only");
}

function endOnSignals(hub: Hub, log: Logger): void {
  let ending = false;
  const end = (signal: NodeJS.Signals) => {
    if (ending) process.exit(EXIT_INTERRUPTED);
    ending = true;
    log.info(`${signal}: no more work is taken, waiting for what is out; once more to leave at once`);
    hub.close("the hub is being stopped").then(
      () => {
        log.info("closed");
        process.exit(0);
      },
      (error: unknown) => {
        log.error({ err: error }, "the hub did not close in order");
        process.exit(EXIT_FAILED);
      },
    );
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  const inTerminal = isatty(STDOUT);
  process.on("SIGHUP", () => {
    if (inTerminal && !isatty(STDOUT)) void endWithTerminal(hub);
    else void reloadRules(hub, log);
  });
}

/** A terminal that was closed takes the hub in it along, as it does with any program. There is nowhere left to log to. */
async function endWithTerminal(hub: Hub): Promise<void> {
  await hub.close("the hub is being stopped").catch(() => undefined);
  // By the signal itself: an exit would have Node.js set the terminal back that is gone, and abort.
  process.removeAllListeners("SIGHUP");
  process.kill(process.pid, "SIGHUP");
}

/** Tells what has changed, or why all stays as it was. */
async function reloadRules(hub: Hub, log: Logger): Promise<void> {
  try {
    const changes = await hub.reload();
    log.info(`SIGHUP: the rules of queues were read again: ${changes.join("; ") || "nothing has changed"}`);
  } catch (error) {
    log.error(`SIGHUP: the rules of queues stay as they were: ${reasonOf(error)}`);
  }
}

/** For people where there is a terminal, for machines elsewhere. Written at once, so that a crash loses no line. */
async function openLog({ logLevel }: Settings): Promise<Logger> {
  if (!process.stdout.isTTY) return pino({ level: logLevel }, pino.destination({ sync: true }));
  // Only a terminal needs it, and it takes its time to load.
  const { default: pretty } = await import("pino-pretty");
  return pino({ level: logLevel }, pretty({ sync: true, ignore: "pid,hostname", translateTime: "HH:MM:ss.l" }));
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//…@");
}

if (require.main === module) void runHub(process.argv.slice(2));
