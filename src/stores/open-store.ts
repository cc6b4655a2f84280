import { systemClock, type Clock } from "../queue/clock";
import type { RuleBook } from "../queue/queue-rules";
import type { Store } from "../queue/store";
import { LedgerStore } from "./ledger/ledger-store";
import { MemoryJournal } from "./memory";
import { DiskSpace } from "./sqlite/disk-space";
import { SqliteJournal } from "./sqlite/sqlite-journal";
import { StorageThread } from "./sqlite/storage-thread";

export { DamagedError } from "./sqlite/damage";

export interface StoreSettings {
  /** What each queue may hold, and what becomes of its messages. */
  readonly rules: Pick<RuleBook, "of">;
  /** Queues and rooms that may exist, and that one client may make. */
  readonly maxQueues: number;
  readonly maxQueuesPerClient: number;
  /** Milliseconds for which a queue remembers an id at least, unless more than `dedupMaxIds` come. */
  readonly dedupWindowMs: number;
  readonly dedupMaxIds: number;
  /** Messages, and milliseconds, of a room's history that are kept. */
  readonly historyMessages: number;
  readonly historyMs: number;
  /** Free space of the disk, in bytes, below which publishes are refused; left out: none. */
  readonly minFreeBytes?: number;
  /** Endings of messages that are remembered. */
  readonly maxEndings: number;
  /** Ready messages that are kept in memory, in bytes; the rest is paged in from the disk. */
  readonly residentBytes: number;
  /** Ready messages of one priority of one queue that are kept in memory. */
  readonly laneWindow?: number;
}

/** One queue's backlog leaves room in memory for others, and is still long enough for a page to come in time. */
const LANE_WINDOW = 16_384;

/**
 * Opens the store that a URL names: `sqlite:<path>` or `memory:`.
 *
 * @param onBroken called when the store is lost for good; with a DamagedError when its file is damaged.
 * @param onDiskSpace called when the disk becomes nearly full, and when it no longer is.
 * @throws Error that says what is wrong with the URL, or why the store cannot be used.
 */
export async function openStore(
  url: string,
  settings: StoreSettings,
  onBroken: (error: Error) => void,
  clock: Clock = systemClock,
  onDiskSpace?: (isLow: boolean, freeBytes: number) => void,
): Promise<Store> {
  const { scheme, rest } = /^(?<scheme>[a-z]+):(?<rest>.*)$/.exec(url)?.groups ?? {};
  if (scheme === "memory" && rest === "") {
    const unbounded = { ...settings, laneWindow: Infinity, residentBytes: Infinity };
    return LedgerStore.open(new MemoryJournal(settings, clock), unbounded, clock);
  }
  if (scheme === "sqlite" && rest) {
    const { dedupWindowMs, dedupMaxIds, historyMessages, historyMs, maxEndings } = settings;
    const { maxQueues, maxQueuesPerClient } = settings;
    const worker = await StorageThread.start({
      file: rest,
      dedupWindowMs,
      dedupMaxIds,
      historyMessages,
      historyMs,
      maxEndings,
      maxQueues,
      maxQueuesPerClient,
    });
    const space = new DiskSpace(rest, settings.minFreeBytes ?? 0, clock, onDiskSpace);
    const journal = new SqliteJournal(worker, clock, onBroken, space);
    return LedgerStore.open(journal, { ...settings, laneWindow: settings.laneWindow ?? LANE_WINDOW }, clock);
  }
  throw new Error(`"${url}" names no store: use sqlite:<path of a file> or memory:`);
}
