import { JsonText } from "../protocol/json-text";
import { DEFAULT_PRIORITY, nameOf, type Delivery, type QueueAddress } from "../queue/message";

export interface DeliverLimits {
  readonly maxBatch: number;
  /** Length of a packet's text past which the next message starts another one. */
  readonly maxTextLength: number;
}

/**
 * The texts of the `deliver` events for these deliveries: several where one would be too long for clients that refuse
 * large packets, or have too many messages.
 */
export function deliverTexts(
  queue: QueueAddress,
  deliveries: readonly Delivery[],
  again: boolean,
  now: number,
  limits: DeliverLimits,
): JsonText[] {
  const head = `{"queue":${quote(nameOf(queue))},"messages":[`;
  const texts: JsonText[] = [];
  let list = "";
  let count = 0;
  for (const delivery of deliveries) {
    const message = messageText(delivery, again, now);
    if (count > 0 && (count >= limits.maxBatch || list.length + message.length > limits.maxTextLength)) {
      texts.push(new JsonText(`${head}${list}]}`));
      list = "";
      count = 0;
    }
    list += count === 0 ? message : `,${message}`;
    count++;
  }
  if (count > 0) texts.push(new JsonText(`${head}${list}]}`));
  return texts;
}

/** `DeliveredMessage` of the wire protocol, in its order. */
function messageText({ message, attempt, deadline }: Delivery, again: boolean, now: number): string {
  const { id, seq, event, payload, publishedAt, publisher, priority, group, room, headers } = message;
  let text = `{"id":${quote(id)},"seq":${seq},"event":${quote(event)},"payload":${payload},"attempt":${attempt}`;
  if (again || attempt > 1) text += ',"redelivered":true';
  text += `,"publishedAt":"${isoTime(publishedAt)}","publisher":${quote(publisher)}`;
  text += `,"leaseMs":${Math.max(0, deadline - now)}`;
  if (priority !== DEFAULT_PRIORITY) text += `,"priority":${priority}`;
  if (group !== undefined) text += `,"group":${quote(group)}`;
  if (room !== undefined) text += `,"room":${quote(room)}`;
  if (headers !== undefined) text += `,"headers":${headers}`;
  return `${text}}`;
}

const NEEDS_ESCAPE = /["\\\p{Cc}\p{Cs}]/u;

/** `JSON.stringify` of a text; most need nothing escaped, and looking for that is cheaper. */
function quote(text: string): string {
  return NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`;
}

let lastTime = NaN;
let lastText = "";

/** Messages of one publish share their time, and writing a date is slow. */
function isoTime(time: number): string {
  if (time !== lastTime) {
    lastText = new Date(time).toISOString();
    lastTime = time;
  }
  return lastText;
}
