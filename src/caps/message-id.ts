import { createHash } from "node:crypto";
import { WaybillError } from "../protocol/errors";
import type { Order, ParcelEvent } from "./parcel";

const MAX_ID_LENGTH = 128;
const DIGEST_LENGTH = 16;
const DERIVED_ID = new RegExp(`(^|/)(pickup|in-transit|delivered)/[0-9a-f]{${DIGEST_LENGTH}}$`);

/**
 * The id under which an order's event is stored: `acme-widgets/1234/pickup/3f2a…`. It follows from what was sent alone,
 * so that sending it again is answered `duplicate` and no second parcel is made.
 *
 * What makes two events the same, beside shop, order id and event: the sender's own `messageId` where it gave one, else
 * all that the order says. Classroom clients use the same order id again for the next customer; by the order id alone
 * that customer's parcel would pass for a retry, and be lost.
 *
 * @throws WaybillError `INVALID` for an order that cannot be written down.
 */
export function messageIdOf(event: ParcelEvent, order: Order, sentId: string | undefined): string {
  const identity = write([order.store, order.orderId, event, sentId ?? order]);
  const digest = createHash("sha256").update(identity).digest("hex").slice(0, DIGEST_LENGTH);
  const readable = `${order.store}/${order.orderId}/${event}/${digest}`;
  return readable.length <= MAX_ID_LENGTH ? readable : `${event}/${digest}`;
}

function write(identity: unknown): string {
  try {
    return JSON.stringify(identity);
  } catch (error) {
    // Reading JSON has no limit of depth, writing it has the stack's.
    throw new WaybillError("INVALID", "order must not be nested this deeply.", { cause: error });
  }
}

/** Whether a message's id was made here, so that it means one message and never an order. */
export function isDerivedId(id: string): boolean {
  return DERIVED_ID.test(id);
}
