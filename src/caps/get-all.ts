import { WaybillError } from "../protocol/errors";
import { inboxOf } from "../protocol/names";
import { logEvent, type CapsConnection, type CapsRequest } from "./connection";
import { resolveQueue } from "./consumption";
import { formatDelivery } from "./delivery-form";
import { readEvent, readQueueId } from "./envelope";
import { queueIdOf } from "./parcel";

/**
 * Catches up: consumes the queue if that is not yet done, and sends what the connection holds of it once more. The rest
 * of a long backlog follows as messages are answered.
 */
export const getAll: CapsRequest = async (connection, argument) => {
  const { line, consumption } = connection;
  const event = readEvent(argument);
  const queue = queueMeant(connection, readQueueId(argument));
  const { ready, fresh } = await consumption.start(queue);
  const queueId = queueIdOf(queue);
  logEvent(connection, "getAll", event === undefined ? { queueId } : { queueId, event });
  if (fresh) return { queueId, ready, again: 0 };
  const held = line.broker
    .held(line.session, queue)
    .values()
    .filter(({ message }) => event === undefined || message.event === event);
  for (const delivery of held) {
    const form = formatDelivery(delivery);
    line.emit(form.event, form.argument);
  }
  return { queueId, ready, again: held.length };
};

/** Without a name, an identified client means its own messages. */
function queueMeant({ line }: CapsConnection, name: string | undefined): string {
  if (name !== undefined) return resolveQueue(line, name);
  if (line.standing === "anonymous") {
    throw new WaybillError("INVALID", 'clientId must name the shop, or "driver"; given: nothing.');
  }
  return inboxOf(line.session.identity.clientId);
}
