import { createHash, randomInt } from "node:crypto";
import { z } from "zod";
import { MAX_ID_LENGTH } from "../../src/protocol/fields";
import type { PublishMessage } from "../../src/protocol/wire";
import { ADDRESSES, CUSTOMERS } from "./order-samples";

/** The shared queue that every driver consumes: each order goes to one of them. */
export const DRIVER_QUEUE = "driver";

const orderSchema = z.looseObject({
  store: z.string().min(1),
  orderId: z.string().min(1),
  // Shops write their orders as they like; a driver gets by without these two.
  customer: z.string().catch("unknown"),
  address: z.string().catch("unknown"),
});

/** What travels: a shop's order. Fields that a shop adds for itself come back to it as they were. */
export type Order = z.infer<typeof orderSchema>;

/** Without letters and digits that are mistaken for one another when an id is read out. */
const ID_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz";
/** About 50 bits: an id used twice would pass for a retry, and the second order for a duplicate. */
const ID_LENGTH = 10;

export function createOrder(store: string, customer: string, address: string): Order {
  const orderId = Array.from({ length: ID_LENGTH }, () => ID_ALPHABET.charAt(randomInt(ID_ALPHABET.length))).join("");
  return { store, orderId, customer, address };
}

export function createSampleOrder(store: string): Order {
  return createOrder(store, oneOf(CUSTOMERS), oneOf(ADDRESSES));
}

/** Reads what a message carries; undefined when that is no order. */
export function readOrder(payload: unknown): Order | undefined {
  return orderSchema.safeParse(payload).data;
}

/** Asks one driver to come: any of them, or the one that is named. */
export function pickupMessage(order: Order, driver: string | undefined): PublishMessage {
  const target = driver === undefined ? { queue: DRIVER_QUEUE } : { client: driver };
  return { ...target, id: `${order.orderId}/pickup`, event: "pickup", payload: order };
}

/**
 * Tells the shop where its order is. The message's id follows from the pickup's id and the event alone, so that telling
 * it again, after a crash or by another driver, is answered `duplicate` and reaches nobody twice. The order's own id
 * would not do: some shops use theirs again for the next customer.
 */
export function progressMessage(
  pickupId: string,
  order: Order,
  event: "in-transit" | "delivered",
  driver: string,
): PublishMessage {
  const readable = `${pickupId}/${event}`;
  const id = readable.length <= MAX_ID_LENGTH ? readable : `${sha256(pickupId)}/${event}`;
  return { client: order.store, id, event, payload: { ...order, driver, time: new Date().toISOString() } };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function oneOf<Item>(items: readonly [Item, ...Item[]]): Item {
  return items[randomInt(items.length)] ?? items[0];
}
