import { WaybillError } from "../protocol/errors";
import { logEvent, type CapsRequest } from "./connection";
import { resolveQueue } from "./consumption";
import { readQueueId } from "./envelope";
import { queueIdOf } from "./parcel";

/** Consumes the drivers' queue or the shop's own from now on. */
export const join: CapsRequest = async (connection, argument) => {
  const name = readQueueId(argument);
  if (name === undefined) {
    throw new WaybillError("INVALID", 'clientId must name the shop, or "driver"; given: nothing.');
  }
  const queue = resolveQueue(connection.line, name);
  const { ready } = await connection.consumption.start(queue);
  const queueId = queueIdOf(queue);
  logEvent(connection, "join", { queueId });
  return { queueId, ready };
};
