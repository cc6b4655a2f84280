import type { Settings } from "./config";
import { LiveRules } from "./live-rules";
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
 * @throws SettingError or QueuesFileError when a setting, or a rule for queues, is not allowed; Error when the port or the store cannot be had.
 */
export async function createHub(options: HubOptions = {}): Promise<Hub> {
  const { store, ...given } = options;
  const opened = typeof store === "object" ? store : undefined;
  const settings = readSettings(opened ? given : { ...given, store }, asOption);
  return startHub(settings, options, asOption, opened);
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
