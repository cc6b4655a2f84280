import { isInbox } from "../protocol/names";
import { nameOf, type Delivery } from "../queue/message";
import { peekOrder } from "./envelope";
import { isFields } from "./fields";
import { queueIdOf } from "./parcel";

/** Events that mean something to every Socket.IO client, or come from the hub itself: no publisher may send them. */
const RESERVED = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "error",
  "newListener",
  "removeListener",
  "welcome",
  "deliver",
  "revoked",
  "drain",
  "refused",
]);

/** How an event whose own name is reserved is emitted; its `event` field says which it is. */
const PLAIN_EVENT = "message";

/**
 * The event and its argument in which a client of the dialect is given a delivery. The order stands under `order`, and
 * its fields beside it as well: clients written before the exercise had envelopes read `payload.customer`.
 *
 * The payload may be anything, since clients of the plain protocol publish to the same queues.
 */
export function formatDelivery({ message, attempt }: Delivery): { event: string; argument: object } {
  const order: unknown = JSON.parse(message.payload);
  const { store, orderId } = peekOrder(order);
  const queue = nameOf(message.queue);
  const queueId = queueIdOf(queue);
  return {
    event: RESERVED.has(message.event) ? PLAIN_EVENT : message.event,
    argument: {
      ...(isFields(order) ? order : {}),
      event: message.event,
      messageId: message.id,
      orderId,
      clientId: store ?? (isInbox(queue) ? queueId : message.publisher),
      queueId,
      order,
      time: new Date(message.publishedAt).toISOString(),
      attempt,
    },
  };
}
