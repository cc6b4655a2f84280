import { randomUUID } from "node:crypto";
import { WaybillError } from "../protocol/errors";
import type { DialectLine } from "../queue/dialect";
import { logEvent, store, type CapsRequest } from "./connection";
import { readSentOrder, type SentOrder } from "./envelope";
import { show } from "./fields";
import { messageIdOf } from "./message-id";
import { DRIVER_QUEUE, type Order } from "./parcel";

/** A shop has a parcel: stored in the drivers' queue, from which one driver gets it. */
export const pickup: CapsRequest = async (connection, argument) => {
  const { line } = connection;
  const sent = readSentOrder(argument);
  const shop = shopOf(line, sent);
  // An order without an id that is sent again under its sender's message id has to be the same order again.
  const orderId = sent.orderId ?? sent.messageId ?? randomUUID();
  const order: Order = { ...sent.fields, store: shop, orderId };
  const messageId = messageIdOf("pickup", order, sent.messageId);
  const { status } = await store(connection, { id: messageId, queue: DRIVER_QUEUE, event: "pickup", payload: order });
  logEvent(connection, "pickup", order);
  const { durability } = line.broker;
  return { event: "pickup", messageId, orderId, clientId: shop, queueId: DRIVER_QUEUE, status, durability };
};

/** The shop that the order names, left out: the client itself. With a token, no other shop's name will do. */
function shopOf({ session: { identity }, standing }: DialectLine, { store: named }: SentOrder): string {
  const shop = named ?? (standing === "anonymous" ? undefined : identity.clientId);
  if (shop === undefined)
    throw new WaybillError("INVALID", "store must say which shop the order is from; given: nothing.");
  if (standing === "proven" && shop !== identity.clientId && !identity.operator) {
    throw new WaybillError("FORBIDDEN", `${show(identity.clientId)} may not send a pickup for ${show(shop)}.`);
  }
  return shop;
}
