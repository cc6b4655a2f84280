import { queueAddress, type Delivery, type Message } from "../../src/queue/message";

/** A message as a store keeps it, of the queue `driver` in `/`. */
export function storedMessage(changes: Partial<Message> = {}): Message {
  return {
    seq: 7,
    queue: queueAddress("/", "driver"),
    id: "m-1",
    event: "pickup",
    payload: '{"orderId":"o-1"}',
    priority: 4,
    group: undefined,
    headers: undefined,
    publisher: "acme",
    publishedAt: 0,
    expiresAt: undefined,
    room: undefined,
    attempts: 1,
    failures: 0,
    lastError: undefined,
    ...changes,
  };
}

/** That message as it is out. */
export function deliveryOf(changes: Partial<Message> = {}, attempt = 1): Delivery {
  return {
    message: storedMessage({ attempts: attempt, ...changes }),
    attempt,
    holder: "s-1",
    client: "d1",
    deadline: 0,
  };
}
