/** A hub for an integration test: on a free port, with what the test sets, gone after it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createHub, type Hub, type HubOptions } from "../../src/hub";
import { keptPort } from "./kept-port";
import { closeStockClients } from "./stock-client";

/** Quick to notice and to go; everything else is as by default. */
const IN_TESTS = { store: "memory:", tickMs: 20, drainMs: 100 } satisfies HubOptions;

export interface StartedHub {
  /** The same after a restart. */
  readonly url: string;
  /** The running one: another one after a restart. */
  readonly hub: Hub;
  /** Closes the hub and starts another one on the same port and store, with these options changed. */
  restart(changes?: HubOptions): Promise<void>;
  /** Closes the hub, if it still runs, and removes its files. */
  stop(): Promise<void>;
}

const started = new Set<StartedHub>();

/**
 * Starts a hub with a memory store; with `sqliteFile()` as its `store`, with one on disk.
 * `afterEach(stopHubs)` ends it.
 */
export async function startHub(options: HubOptions = {}): Promise<StartedHub> {
  const port = await keptPort();
  let hub = await createHub({ ...IN_TESTS, port, ...options });
  const { url } = hub;
  const running: StartedHub = {
    url,
    get hub() {
      return hub;
    },
    async restart(changes = {}) {
      await hub.close();
      hub = await createHub({ ...IN_TESTS, port, ...options, ...changes });
    },
    async stop() {
      started.delete(running);
      await hub.close();
    },
  };
  started.add(running);
  return running;
}

const folders: string[] = [];

/** The URL of a new SQLite file, removed by `stopHubs`. */
export function sqliteFile(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "waybill-"));
  folders.push(folder);
  return `sqlite:${path.join(folder, "waybill.db")}`;
}

/** Ends every hub that a test started, its stock clients first, and removes their files. */
export async function stopHubs(): Promise<void> {
  closeStockClients();
  await Promise.all([...started].map((hub) => hub.stop()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
