/** Works a store's file without a hub: publishes, leases and acks, message by message, and says what each costs. */
import { queueAddress, type Delivery } from "../../src/queue/message";
import { openBareStore, orderMessage } from "./bare-store";
import { answerBench } from "./child";

export interface StoreRun {
  readonly messages: number;
}

export type Operation = "publish" | "lease" | "ack";

/** What a message costs, in µs. */
export interface Cost {
  /** Until it is answered: a batch's, by its messages. */
  elapsed: number;
  /** Of the whole process, storage thread and all. */
  cpu: number;
}
export type StoreCosts = Readonly<Record<Operation, Cost>>;

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
    const costs: StoreCosts = {
      publish: { elapsed: 0, cpu: 0 },
      lease: { elapsed: 0, cpu: 0 },
      ack: { elapsed: 0, cpu: 0 },
    };
    const measure = async (operation: Operation, task: () => Promise<unknown>): Promise<void> => {
      const cost = costs[operation];
      const cpuBefore = process.cpuUsage();
      const before = performance.now();
      await task();
      cost.elapsed += ((performance.now() - before) * 1_000) / messages;
      const { user, system } = process.cpuUsage(cpuBefore);
      cost.cpu += (user + system) / messages;
    };
    for (let done = 0; done < messages; done += BATCH) {
      const batch = Array.from({ length: BATCH }, () => {
        const each = number++;
        return orderMessage(each, queues, { id: `${run}-${each}`, publishedAt: Date.now(), dueAt: undefined });
      });
      const targets = batch.map(({ target }) => target);
      await measure("publish", () => store.append(batch));
      const deliveries: Delivery[] = [];
      await measure("lease", async () => {
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
      await measure("ack", () => store.settle(acks));
    }
    return costs;
  };
  answerBench({}, work, () => store.close());
}

void main();
