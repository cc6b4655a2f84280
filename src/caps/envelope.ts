/**
 * Reads what classroom clients send. Each grew its own spelling of the same few fields, and sends an order bare or in
 * an envelope; from here on there is one form.
 */
import { WaybillError } from "../protocol/errors";
import { isFields, peekText, readText, show, textOf, type Fields } from "./fields";
import { isStoreName, meansDrivers, parcelEventOf } from "./parcel";

const MESSAGE_ID = ["messageId", "messageID"];
const ORDER_ID = ["orderId", "orderID"];
const NAME_EXPECTED = "the queue must be a name, or { clientId | queueId | room | store }";
/** Only within an order: elsewhere a plain `id` may be anything's. */
const ORDER_OWN_ID = [...ORDER_ID, "id"];
const CLIENT = ["clientId", "clientID"];
const QUEUE = ["queueId", "queueID"];
const STORE = ["store", "storeName", "storeId", "storeID"];
const ROOM = ["room"];
const ORDER = ["order", "payload"];

/** What an envelope says of the message, not of the order: dropped where an order came without an envelope. */
const NOT_OF_THE_ORDER = new Set([...MESSAGE_ID, ...CLIENT, ...QUEUE, "event", "attempt"]);

/** An order as it was sent, with what could be read of it and of the envelope around it. */
export interface SentOrder {
  readonly fields: Fields;
  readonly store: string | undefined;
  readonly orderId: string | undefined;
  /** The sender's own id of this message, or the id of the message that it answers. */
  readonly messageId: string | undefined;
}

/** What a client says it has received. */
export interface Receipt {
  readonly messageId: string | undefined;
  readonly orderId: string | undefined;
  /** Only messages of this event; undefined: of any. */
  readonly event: string | undefined;
}

/**
 * The name in a `join` or `getAll`: the argument itself, or the field that says most about a queue. A driver may state
 * its own `clientId` beside `queueId: "driver"`.
 *
 * @returns undefined when there is no argument, or an object without such a field.
 * @throws WaybillError `INVALID`
 */
export function readQueueId(argument: unknown): string | undefined {
  if (argument === undefined || argument === null) return undefined;
  if (isFields(argument)) return readText(argument, [...QUEUE, ...ROOM, ...STORE, ...CLIENT]);
  const name = typeof argument === "string" ? textOf(argument) : undefined;
  if (name === undefined) {
    throw new WaybillError("INVALID", `${NAME_EXPECTED}; given: ${show(argument)}.`);
  }
  return name;
}

/** @throws WaybillError `INVALID` that names what is wrong with the order. */
export function readSentOrder(argument: unknown): SentOrder {
  if (!isFields(argument)) {
    throw new WaybillError("INVALID", `order must be an object, bare or in an envelope; given: ${show(argument)}.`);
  }
  const inner = orderWithin(argument);
  const fields = inner ?? withoutEnvelope(argument);
  return {
    fields,
    store: readStore(fields, argument),
    orderId: readText(fields, ORDER_OWN_ID) ?? readText(argument, ORDER_ID),
    messageId: readText(argument, MESSAGE_ID),
  };
}

/** @throws WaybillError `INVALID` when it names neither a message nor an order. */
export function readReceipt(argument: unknown): Receipt {
  // Some clients send nothing but the id, and it is as often the order's as the message's.
  const bareId = textOf(argument);
  if (bareId !== undefined) return { messageId: bareId, orderId: bareId, event: undefined };
  if (!isFields(argument)) {
    throw new WaybillError("INVALID", `received must be { messageId | orderId }; given: ${show(argument)}.`);
  }
  const messageId = readText(argument, MESSAGE_ID);
  // A delivery that carried no order comes back as it went: what stands in the order's place is not looked into.
  const inner = ORDER.map((name) => argument[name]).find(isFields);
  const read = messageId === undefined ? readText : peekText;
  const orderId = read(argument, ORDER_ID) ?? (inner && read(inner, ORDER_OWN_ID)) ?? read(argument, ["id"]);
  if (messageId === undefined && orderId === undefined) {
    throw new WaybillError("INVALID", "messageId or orderId must say what was received; given: neither.");
  }
  // A client that was written for other hubs may put the order's id in the message id's place.
  return { messageId, orderId: orderId ?? messageId, event: readEvent(argument) };
}

/** The event that a `getAll` or a `received` limits itself to. */
export function readEvent(argument: unknown): string | undefined {
  const event = isFields(argument) ? readText(argument, ["event", "eventName"]) : undefined;
  // Many a receipt names itself there, not the event that it answers.
  if (event === undefined || event === "received") return undefined;
  return parcelEventOf(event) ?? event;
}

/** What a stored payload says of its order, whoever published it; undefined fields when it is no order. */
export function peekOrder(payload: unknown): {
  readonly store: string | undefined;
  readonly orderId: string | undefined;
} {
  if (!isFields(payload)) return { store: undefined, orderId: undefined };
  return { store: peekText(payload, STORE), orderId: peekText(payload, ORDER_OWN_ID) };
}

function orderWithin(argument: Fields): Fields | undefined {
  for (const name of ORDER) {
    const inner = Object.hasOwn(argument, name) ? argument[name] : undefined;
    if (isFields(inner)) return inner;
    if (inner !== undefined && inner !== null) {
      throw new WaybillError("INVALID", `${name} must be an object; given: ${show(inner)}.`);
    }
  }
  return undefined;
}

function withoutEnvelope(argument: Fields): Fields {
  return Object.fromEntries(Object.entries(argument).filter(([name]) => !NOT_OF_THE_ORDER.has(name)));
}

/** The order's own word comes first: in an envelope `clientId` is often the sender, and `queueId` the drivers'. */
function readStore(order: Fields, envelope: Fields): string | undefined {
  const stated = readText(order, STORE) ?? readText(envelope, STORE);
  const store = stated ?? [CLIENT, QUEUE].map((names) => readText(envelope, names)).find(namesStore);
  if (store !== undefined && !isStoreName(store)) {
    throw new WaybillError("INVALID", `store must be a shop's name; given: ${show(store)}.`);
  }
  return store;
}

function namesStore(name: string | undefined): boolean {
  return name !== undefined && !meansDrivers(name);
}
