/** Puts a backlog into a store's file: the same messages in each of many queues, ready or due much later. */
import type { NewMessage } from "../../src/queue/message";
import { openBareStore, orderMessage } from "./bare-store";
import { answerBench, usage } from "./child";

const { file, queues, messages, delayMs } = JSON.parse(process.argv[2] ?? "{}") as {
  file: string;
  queues: number;
  messages: number;
  delayMs?: number;
};
const BATCH = 1_000;
const BATCHES_AT_ONCE = 8;

async function fill(): Promise<void> {
  const store = await openBareStore(file, { maxQueueMessages: messages });
  const publishedAt = Date.now();
  const dueAt = delayMs === undefined ? undefined : publishedAt + delayMs;
  const message = (number: number): NewMessage =>
    orderMessage(number, queues, { id: `m-${String(number).padStart(9, "0")}`, publishedAt, dueAt });
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < messages) {
      const from = next;
      next += BATCH;
      const results = await store.append(
        Array.from({ length: Math.min(BATCH, messages - from) }, (_, index) => message(from + index)),
      );
      const refused = results.find((result) => "error" in result);
      if (refused) throw new Error(JSON.stringify(refused));
    }
  };
  await Promise.all(Array.from({ length: BATCHES_AT_ONCE }, lane));
  await store.close();
}

void fill().then(() =>
  answerBench(
    usage(),
    () => Promise.resolve({}),
    () => Promise.resolve(),
  ),
);
