import { Server as NetServer } from "node:net";
import { SETTING_NAMES, type Settings } from "./config";
import { LiveRules } from "./live-rules";
import { nearestName } from "./nearest-name";
import { WaybillError } from "./protocol/errors";
import { SystemClock, type Clock } from "./queue/clock";
import type { Store } from "./queue/store";
import { asOption, readSettings, refuseToBindOpenly, type Naming } from "./read-config";
import type { Hub, HubParts } from "./running-hub";
import { DamagedError, openStore } from "./stores/open-store";
import { SILENT } from "./transport/log";

export type { Hub, HubParts };

/** Every setting of the table in `config.ts`, each optional. The environment is not looked at. */
export interface HubOptions extends HubParts, Partial<Omit<Settings, "store" | "routes">> {
  /** A URL as `WAYBILL_STORE` has it, or a store that is open already; the hub closes either. */
  readonly store?: string | Store;
  /** As `WAYBILL_ROUTES` has them, one text each. */
  readonly routes?: readonly string[];
}

/**
 * Starts a hub inside a program.
 *
 * @throws SettingError or QueuesFileError when a setting, or a rule for queues, is not allowed; WaybillError `INVALID` for
 * an option that there is not, or a server that is none; Error when the port or the store cannot be had.
 */
export async function createHub(options: HubOptions = {}): Promise<Hub> {
  refuseUnknownOptions(options);
  const { store, ...given } = options;
  const opened = typeof store === "object" ? store : undefined;
  const settings = readSettings(opened ? given : { ...given, store }, asOption);
  return startHub(settings, options, asOption, opened);
}

const PARTS = { server: true, log: true, clock: true, onStoreLost: true } satisfies Record<keyof HubParts, true>;
const OPTION_NAMES: readonly string[] = [...Object.keys(PARTS), ...SETTING_NAMES];

/** A slip of the pen would otherwise leave a default in force, and types are not there to see it in a JavaScript program. */
function refuseUnknownOptions(options: HubOptions): void {
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.includes(name));
  if (unknown !== undefined) {
    const nearest = nearestName(unknown, OPTION_NAMES);
    const hint = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
    throw new WaybillError("INVALID", `There is no option ${unknown}.${hint} There are ${OPTION_NAMES.join(", ")}.`);
  }
  if (options.server !== undefined && !(options.server instanceof NetServer)) {
    throw new WaybillError("INVALID", "server must be an HTTP server, as createServer() of node:http gives one.");
  }
}

/**
 * Starts a hub on settings that are read already. Throws as `createHub` does.
 *
 * @param nameOf what settings are called in messages.
 */
export async function startHub(settings: Settings, parts: HubParts, nameOf: Naming, openedStore?: Store): Promise<Hub> {
  if (parts.server === undefined) refuseToBindOpenly(settings, nameOf);
  const rules = new LiveRules(settings);
  const clock = parts.clock ?? new SystemClock();
  // The rest of it is loaded while the store opens: both take their time.
  const loading = import("./running-hub");
  loading.catch(() => {});
  const store = openedStore ?? (await openStoreOf(settings, rules, clock, parts));
  const { RunningHub } = await loading.catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  const hub = new RunningHub(settings, rules, clock, parts, store);
  try {
    await hub.start();
  } catch (error) {
    await hub.close();
    throw error;
  }
  return hub;
}

function openStoreOf(
  settings: Settings,
  { book }: LiveRules,
  clock: Clock,
  { onStoreLost, log = SILENT }: HubParts,
): Promise<Store> {
  const onBroken = (error: Error): void => {
    if (error instanceof DamagedError) log.error({}, `the store is lost: ${error.message}`);
    else log.error({ err: error }, "the store is lost: everything is refused until the hub is started anew");
    onStoreLost?.(error);
  };
  const onDiskSpace = (isLow: boolean, freeBytes: number): void => {
    const free = `${Math.round(freeBytes / 2 ** 20)} MiB free`;
    if (isLow) log.warn({}, `the store's disk is nearly full (${free}): publishes are refused, all else goes on`);
    else log.info({}, `the store's disk has room again (${free}): publishes are taken`);
  };
  return openStore(settings.store, { ...settings, rules: book }, onBroken, clock, onDiskSpace);
}
