import type { Settings } from "../../src/config";
import { RuleBook } from "../../src/queue/queue-rules";
import type { Store } from "../../src/queue/store";
import { openStore, type StoreSettings } from "../../src/stores/open-store";

/** What of the hub's settings its store knows. */
export type ScratchSettings = Omit<StoreSettings, "rules"> &
  Pick<Settings, "leaseMs" | "maxAttempts" | "backoffMs" | "backoffMaxMs" | "maxDeadLetters">;

export function scratchSettings(settings: Settings): ScratchSettings {
  const { leaseMs, maxAttempts, backoffMs, backoffMaxMs, maxDeadLetters, maxQueues, maxQueuesPerClient } = settings;
  const { dedupWindowMs, dedupMaxIds, historyMessages, historyMs, maxEndings, minFreeBytes, residentBytes } = settings;
  return {
    ...{ leaseMs, maxAttempts, backoffMs, backoffMaxMs, maxDeadLetters, maxQueues, maxQueuesPerClient },
    ...{ dedupWindowMs, dedupMaxIds, historyMessages, historyMs, maxEndings, minFreeBytes, residentBytes },
  };
}

/** A store as the hub would have it, with room in its queues for whatever a trial puts there. */
export function openScratch(file: string, settings: ScratchSettings, onLost: (error: Error) => void): Promise<Store> {
  const room = { maxMessages: Infinity, maxBytes: Infinity } as const;
  const rules = new RuleBook({ ...settings, ...room, overflow: "reject", deadLetterExpired: false, exclusive: false });
  return openStore(`sqlite:${file}`, { ...settings, rules }, onLost);
}
