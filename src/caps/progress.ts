import { WaybillError } from "../protocol/errors";
import { logEvent, store, type CapsRequest } from "./connection";
import { readSentOrder } from "./envelope";
import { ackAll, findHeld } from "./held-parcels";
import { messageIdOf } from "./message-id";
import type { Order, ParcelEvent } from "./parcel";

/**
 * A driver tells the shop where its parcel is: stored in the shop's own queue. It also is the driver's word that it has
 * the parcel, so the pickup is acked, once the news is stored: before, a crash in between would lose both.
 */
export function progress(event: Exclude<ParcelEvent, "pickup">): CapsRequest {
  return async (connection, argument) => {
    const { line } = connection;
    const { fields, store: shop, orderId, messageId: answered } = readSentOrder(argument);
    if (shop === undefined) throw new WaybillError("INVALID", "store must say whose order it is; given: nothing.");
    if (orderId === undefined) throw new WaybillError("INVALID", "orderId must say which order it is; given: nothing.");
    const order: Order = { ...fields, store: shop, orderId };
    const messageId = messageIdOf(event, order, answered);
    const { status } = await store(connection, { id: messageId, client: shop, event, payload: order });
    const pickups = findHeld(line.session, { messageId: answered, orderId, store: shop, event: "pickup" });
    // One parcel, one pickup: another with the same order id is a later order's.
    await ackAll(line, pickups.slice(0, 1));
    logEvent(connection, event, order);
    const { durability } = line.broker;
    return { event, messageId, orderId, clientId: shop, queueId: shop, status, durability };
  };
}
