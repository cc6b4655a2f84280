import { isInbox, isName } from "../protocol/names";

/** The shared queue that every driver consumes: each pickup goes to one of them. */
export const DRIVER_QUEUE = "driver";

/** What happens to a parcel, as the events are named on the wire and in the queues. */
export type ParcelEvent = "pickup" | "in-transit" | "delivered";

/**
 * What is stored: a shop's order with its shop and its id in their one spelling, and all else as the shop wrote it.
 * Clients of the plain protocol in the same namespace publish and read the same form.
 */
export interface Order {
  readonly store: string;
  readonly orderId: string;
  readonly [field: string]: unknown;
}

const EVENTS: ReadonlyMap<string, ParcelEvent> = new Map([
  ["pickup", "pickup"],
  ["intransit", "in-transit"],
  ["delivered", "delivered"],
]);

/** The event that a text means, in whichever spelling; undefined when it is none of a parcel's. */
export function parcelEventOf(text: string): ParcelEvent | undefined {
  return EVENTS.get(text.toLowerCase().replace(/[-_ ]/g, ""));
}

/** Whether a name means the drivers' queue and so cannot be a shop. */
export function meansDrivers(name: string): boolean {
  return /^drivers?$/i.test(name);
}

/** Whether a text is a shop's name: a client's, and not the drivers' queue. */
export function isStoreName(name: string): boolean {
  return isName(name) && !meansDrivers(name);
}

/** A queue's name as clients of the dialect know it: a shop's inbox goes by the shop's name. */
export function queueIdOf(queue: string): string {
  return isInbox(queue) ? queue.slice(1) : queue;
}
