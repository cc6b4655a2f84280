/** The hub as a program: settings from `.env`, the environment and flags; its log; signals and exit codes. */
import { existsSync, readFileSync } from "node:fs";
import { Command } from "commander";
import { parse } from "dotenv";
import pino, { type Logger } from "pino";
import { SETTING_NAMES, SETTINGS, type Setting, type Settings } from "./config";
import { startHub, type Hub } from "./hub";
import { reasonOf } from "./protocol/errors";
import {
  defaultText,
  flagOf,
  readSettings,
  settingsFromEnvironment,
  unknownSettings,
  type GivenSettings,
} from "./read-config";

const EXIT_FAILED = 1;
/** As a shell has it for a program that SIGINT ended. */
const EXIT_INTERRUPTED = 130;

/**
 * Starts the hub and keeps it until a signal comes. What cannot start says why in one line and exits 1.
 *
 * @param argv flags, without the program's name.
 */
export async function runHub(argv: readonly string[]): Promise<void> {
  try {
    const environment = { ...readEnvFile(), ...filled(process.env) };
    const settings = readSettings({ ...settingsFromEnvironment(environment), ...readFlags(argv) });
    const log = await openLog(settings);
    const hub = await start(settings, log);
    announce(hub, settings, log);
    const unknown = unknownSettings(environment);
    if (unknown.length > 0) log.warn(`there is no setting ${unknown.join(", ")}: not looked at`);
    endOnSignals(hub, log);
  } catch (error) {
    process.stderr.write(`waybill: ${reasonOf(error)}\n`);
    process.exit(EXIT_FAILED);
  }
}

async function start(settings: Settings, log: Logger): Promise<Hub> {
  // Nothing can be stored or settled any more: whoever watches over this process is to start it anew.
  const onStoreLost = () => process.exit(EXIT_FAILED);
  try {
    return await startHub(settings, { log, onStoreLost });
  } catch (error) {
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
}

/** A variable that is set but empty is not given, and does not hide what `.env` says. */
function filled(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim()));
}

function readEnvFile(): Record<string, string> {
  return existsSync(".env") ? parse(readFileSync(".env")) : {};
}

/** A flag for each setting that may have one. Flags are named after settings, so that commander's names are theirs. */
function readFlags(argv: readonly string[]): GivenSettings {
  const command = new Command("waybill hub")
    .description(
      `Starts the hub. Settings come from flags, the environment and .env, the first that has one; ${SETTINGS.authSecret.env} from the latter two only.`,
    )
    .showSuggestionAfterError(false)
    .configureOutput({
      outputError: (text, write) => write(`waybill: ${text.trim().replace(/^error: /, "")} (see waybill hub --help)\n`),
    });
  for (const name of SETTING_NAMES) {
    const setting: Setting<unknown> = SETTINGS[name];
    const flag = flagOf(name);
    const byDefault = defaultText(name);
    const note = byDefault === "" ? setting.env : `${setting.env}, default ${byDefault}`;
    if (flag) command.option(`${flag} <${setting.unit ?? "value"}>`, `${setting.about} (${note})`);
  }
  return command.parse(argv, { from: "user" }).opts<GivenSettings>();
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
