import { Queue, Worker } from "bullmq";
import type { Link, Target } from "./link";

/** A BullMQ queue, and a worker that may have as many jobs at once as are in flight. What is done is removed. */
export async function open({ url, queue: name, window }: Target, handle: (order: unknown) => void): Promise<Link> {
  const { hostname: host, port } = new URL(url);
  const connection = { host, port: Number(port) };
  const queue = new Queue(name, { connection, defaultJobOptions: { removeOnComplete: true } });
  const worker = new Worker(name, async ({ data }) => handle(data), { connection, concurrency: window });
  worker.on("error", (error) => {
    throw error;
  });
  await worker.waitUntilReady();
  return {
    publish: (order) => queue.add("order", order),
    close: async () => {
      await worker.close();
      await queue.obliterate({ force: true });
      await queue.close();
    },
  };
}
