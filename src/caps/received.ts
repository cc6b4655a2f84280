import { logEvent, type CapsRequest } from "./connection";
import { readReceipt } from "./envelope";
import { ackAll, findHeld, findOvertaken } from "./held-parcels";

/** Acks what the connection holds under a message's id or an order's. One that comes late or twice acks nothing. */
export const received: CapsRequest = async (connection, argument) => {
  const { line } = connection;
  const { messageId, orderId, event } = readReceipt(argument);
  const answered = findHeld(line.session, { messageId, orderId, event });
  const acked = await ackAll(line, [...answered, ...findOvertaken(line.session, answered)]);
  logEvent(connection, "received", { messageId, orderId, event });
  return { acked };
};
