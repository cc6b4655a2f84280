import { sizeOf } from "../../src/queue/message";
import type { StoredMessage } from "../../src/stores/ledger/journal";
import type { LedgerStore } from "../../src/stores/ledger/ledger-store";
import type { QueueState } from "../../src/stores/ledger/queue-state";

/**
 * Counts again what a ledger counts as it goes, while nothing is under way.
 *
 * @throws Error that names the count that has drifted.
 */
export function auditLedger(store: LedgerStore): void {
  const { directory, budget } = store["ledger"];
  let inMemory = 0;
  for (const queue of directory.allQueues()) {
    inMemory += bytesOf(queue.waitingInMemory()) - bytesOf(namesakesOf(queue));
    auditQueue(queue);
  }
  compare("the memory budget", budget["bytes"], inMemory);
}

function auditQueue(queue: QueueState): void {
  const { address, leases, delayed, total, ready, heldBytes, bytes } = queue;
  compare(`${address}: its total`, total, ready + delayed + leases.size);
  const leased = bytesOf(leases.values().map(({ message }) => message));
  if (delayed === 0) compare(`${address}: its held bytes`, heldBytes, leased);
  if (ready === 0) compare(`${address}: its bytes`, bytes, heldBytes);
  if (heldBytes < leased || bytes < heldBytes) throw new Error(`${address} counts ${bytes}, ${heldBytes} of them held`);
  for (const lane of queue.lanesInOrder) {
    const { claimed, list, isBusy } = lane;
    compare(`${address}: lane ${lane.priority} reserved`, claimed, list.length);
    if (isBusy || list.isBusy) throw new Error(`${address}: lane ${lane.priority} is never read again`);
  }
  let aside = namesakesOf(queue).length;
  for (const { waiting } of queue["aside"]?.["groups"].values() ?? []) aside += waiting.length + waiting.onDisk;
  compare(`${address}: what waits for another`, queue["aside"]?.count ?? 0, aside);
}

function namesakesOf(queue: QueueState): readonly StoredMessage[] {
  return [...(queue["aside"]?.["namesakes"].values() ?? [])].flat();
}

function bytesOf(messages: Iterable<StoredMessage>): number {
  let bytes = 0;
  for (const message of messages) bytes += sizeOf(message);
  return bytes;
}

function compare(what: string, counted: number, found: number): void {
  if (counted !== found) throw new Error(`${what} is ${found}, counted as ${counted}`);
}
