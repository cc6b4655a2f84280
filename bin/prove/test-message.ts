import { DEFAULT_PRIORITY, queueAddress, type NewMessage } from "../../src/queue/message";

/** About 300 bytes as JSON, as an order of a shop is. */
const PAYLOAD = JSON.stringify({ customer: "Jamal Braun", address: "Schmittfort, LA", note: "x".repeat(230) });

export function testMessage(queue: string, number: number): NewMessage {
  return {
    target: queueAddress("/", queue),
    id: String(number),
    event: "pickup",
    payload: PAYLOAD,
    priority: DEFAULT_PRIORITY,
    group: undefined,
    headers: undefined,
    publisher: "prove",
    publishedAt: Date.now(),
    dueAt: undefined,
    isDueFixed: false,
    expiresAt: undefined,
  };
}
