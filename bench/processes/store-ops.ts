/** Works a store's file without a hub: publishes, leases and acks, message by message, and says what each costs. */
import { queueAddress, type Delivery } from "../../src/queue/message";
import { openBareStore, orderMessage } from "./bare-store";
import { answerBench } from "./child";

export interface StoreRun {
  readonly messages: number;
}

/** CPU of the whole process, storage thread and all, in µs a message. */
export interface StoreCosts {
  readonly publish: number;
  readonly lease: number;
  readonly ack: number;
}

const { file, queues, waiting } = JSON.parse(process.argv[2] ?? "{}") as {
  file: string;
  queues: number;
  waiting: number;
};
/** Messages of one append and of one settle: as many as a client sends at once. */
const BATCH = 128;
const LEASE_MS = 3_600_000;

async function main(): Promise<void> {
  const store = await openBareStore(file, {
    maxQueueMessages: 1_000_000 + waiting,
    maxQueuesPerClient: queues + 100,
  });
  let number = 0;
  const run = `run-${Date.now()}`;

  const work = async ({ messages }: StoreRun): Promise<StoreCosts> => {
    const cost = { publish: 0, lease: 0, ack: 0 };
    for (let done = 0; done < messages; done += BATCH) {
      const batch = Array.from({ length: BATCH }, () => {
        const each = number++;
        return orderMessage(each, queues, { id: `${run}-${each}`, publishedAt: Date.now(), dueAt: undefined });
      });
      const targets = batch.map(({ target }) => target);
      cost.publish += await cpuOf(() => store.append(batch));
      const deliveries: Delivery[] = [];
      cost.lease += await cpuOf(async () => {
        for (const target of targets) {
          const request = { holder: "bench", client: "bench", limit: 1, limitBytes: Infinity };
          deliveries.push(...(await store.lease(target, [request], Date.now(), LEASE_MS)));
        }
      });
      const acks = deliveries.map(({ message: { id }, attempt, holder }, index) => ({
        queue: targets[index] ?? queueAddress("/", ""),
        id,
        attempt,
        holder,
        settlement: { action: "ack" as const },
      }));
      cost.ack += await cpuOf(() => store.settle(acks));
    }
    return { publish: cost.publish / messages, lease: cost.lease / messages, ack: cost.ack / messages };
  };
  answerBench({}, work, () => store.close());
}

/** CPU time that this takes until it has been answered, in µs. */
async function cpuOf(task: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await task();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

void main();
