/** Puts a backlog into a store's file: the same messages in each of many queues, ready or due much later. */
import { queueAddress, type NewMessage } from "../../src/queue/message";
import { RuleBook } from "../../src/queue/queue-rules";
import { defaultRules } from "../../src/queues-file";
import { readSettings } from "../../src/read-config";
import { openStore } from "../../src/stores/open-store";
import { order } from "../order";
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
  const settings = readSettings({ maxQueueMessages: messages });
  const rules = new RuleBook(defaultRules(settings));
  const store = await openStore(`sqlite:${file}`, { ...settings, rules }, (error) => {
    throw error;
  });
  const now = Date.now();
  const message = (number: number): NewMessage => ({
    target: queueAddress("/", `queue-${number % queues}`),
    id: `m-${String(number).padStart(9, "0")}`,
    event: "pickup",
    payload: JSON.stringify(order(number)),
    priority: 4,
    group: undefined,
    headers: undefined,
    publisher: "bench",
    publishedAt: now,
    dueAt: delayMs === undefined ? undefined : now + delayMs,
    isDueFixed: false,
    expiresAt: undefined,
  });
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
