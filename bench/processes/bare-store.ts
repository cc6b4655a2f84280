/** A store without a hub around it, and the messages that a bench puts into one. */
import { queueAddress, type NewMessage, type QueueAddress } from "../../src/queue/message";
import { RuleBook } from "../../src/queue/queue-rules";
import type { Store } from "../../src/queue/store";
import { defaultRules } from "../../src/queues-file";
import { readSettings } from "../../src/read-config";
import { openStore } from "../../src/stores/open-store";
import { order } from "../order";

/** Opens the store of a file, with the hub's settings but for those given. A store that is lost ends the process. */
export function openBareStore(file: string, given: Parameters<typeof readSettings>[0]): Promise<Store> {
  const settings = readSettings(given);
  const rules = new RuleBook(defaultRules(settings));
  return openStore(`sqlite:${file}`, { ...settings, rules }, (error) => {
    throw error;
  });
}

/** An order as a message: they go round the queues. */
export function orderMessage(
  number: number,
  queues: number,
  { id, publishedAt, dueAt }: Pick<NewMessage, "id" | "publishedAt" | "dueAt">,
): NewMessage & { readonly target: QueueAddress } {
  return {
    target: queueAddress("/", `queue-${number % queues}`),
    id,
    event: "pickup",
    payload: JSON.stringify(order(number)),
    priority: 4,
    group: undefined,
    headers: undefined,
    publisher: "bench",
    publishedAt,
    dueAt,
    isDueFixed: false,
    expiresAt: undefined,
  };
}
