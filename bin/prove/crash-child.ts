/**
 * Works on a store until it is killed: notes what it finds, then publishes and acks without a pause. What it does it notes
 * in a file, before or after as it must be, and written at once: none of that dies with it.
 */
import fs from "node:fs";
import { queueAddress, type Delivery } from "../../src/queue/message";
import type { Store } from "../../src/queue/store";
import { openScratch, type ScratchSettings } from "./scratch-store";
import { testMessage } from "./test-message";

const IN_FLIGHT = 64;
const PREFETCH = 200;
const NAME = "crash";
const QUEUE = queueAddress("/", NAME);
const HOLDER = { holder: "session", client: "prove" };
const LEASE_MS = 3_600_000;
/** The file of notes, open. */
let notes: number;

export interface ChildOrders {
  readonly file: string;
  /** Where it notes what it does. */
  readonly notes: string;
  readonly settings: ScratchSettings;
  /** The number of the first message to publish: none was given before. */
  readonly firstNumber: number;
  /** Only notes what it finds, and closes in order. */
  readonly lookOnly: boolean;
}

/** What a child notes, by the first letter of a line; the rest is numbers of messages, parted by commas. */
export const NOTES = {
  /** Found at the start: number, attempt and seq of each, parted by colons. */
  FOUND: "f",
  CONFIRMED: "c",
  /** About to be acked: number and attempt. */
  ACKING: "a",
  ACKED: "k",
} as const;

/** @param wrap what a test puts between the child and its store. */
export async function runChild(wrap: (store: Store) => Store = (store) => store): Promise<void> {
  const orders = JSON.parse(process.argv[2] ?? "{}") as ChildOrders;
  const lost = (error: Error): never => {
    throw error;
  };
  notes = fs.openSync(orders.notes, "a");
  const store = wrap(await openScratch(orders.file, orders.settings, lost));
  const found = await leaseAll(store);
  note(
    NOTES.FOUND,
    found.map(({ message, attempt }) => `${message.id}:${attempt}:${message.seq}`),
  );
  if (orders.lookOnly) {
    await store.close();
    return process.disconnect();
  }
  process.send?.("working");
  await Promise.all([publishForEver(store, orders.firstNumber), ackForEver(store, found)]);
}

/** Everything that is there, in order. */
async function leaseAll(store: Store): Promise<Delivery[]> {
  const found: Delivery[] = [];
  let hinted = (): void => {};
  store.onHint(() => hinted());
  for (;;) {
    const hint = new Promise<void>((resolve) => (hinted = resolve));
    const request = { ...HOLDER, limit: Infinity, limitBytes: Infinity };
    found.push(...(await store.lease(QUEUE, [request], Date.now(), LEASE_MS)));
    if ((await store.stats(QUEUE)).ready === 0) return found;
    await hint;
  }
}

async function publishForEver(store: Store, firstNumber: number): Promise<never> {
  let number = firstNumber;
  const lane = async (): Promise<never> => {
    for (;;) {
      const mine = number++;
      const [result] = await store.append([testMessage(NAME, mine)]);
      if (result && "status" in result) note(NOTES.CONFIRMED, [mine]);
    }
  };
  return Promise.race(Array.from({ length: IN_FLIGHT }, lane));
}

async function ackForEver(store: Store, found: readonly Delivery[]): Promise<never> {
  // Some of what was found stays out, and is there at the next start again.
  let batch: readonly Delivery[] = found.slice(0, found.length / 2);
  for (;;) {
    if (batch.length > 0) await ack(store, batch);
    const request = { ...HOLDER, limit: PREFETCH, limitBytes: Infinity };
    batch = await store.lease(QUEUE, [request], Date.now(), LEASE_MS);
    if (batch.length === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

async function ack(store: Store, batch: readonly Delivery[]): Promise<void> {
  note(
    NOTES.ACKING,
    batch.map(({ message, attempt }) => `${message.id}:${attempt}`),
  );
  const settlement = { action: "ack" } as const;
  const requests = batch.map(({ message, attempt }) => ({ queue: QUEUE, id: message.id, attempt, settlement }));
  const results = await store.settle(requests.map((request) => ({ ...request, holder: HOLDER.holder })));
  note(
    NOTES.ACKED,
    batch.filter((_, index) => results[index] === "done").map(({ message }) => message.id),
  );
}

function note(what: string, items: readonly (string | number)[]): void {
  fs.writeSync(notes, `${what} ${items.join(",")}\n`);
}

if (require.main === module) void runChild();
