import type { DeliveryRef } from "../protocol/wire";
import type { Delivery, QueueAddress } from "./message";

/** The consuming end of a connection, as the queue core sees it. Calls return at once and never throw. */
export interface Receiver {
  /** Hands over deliveries of one queue, in order; `again` marks leases that this session was given before. */
  deliver(queue: QueueAddress, deliveries: readonly Delivery[], again: boolean): void;
  /** These leases are no longer the session's. */
  revoked(queue: QueueAddress, deliveries: readonly DeliveryRef[], reason: string): void;
  /** Another connection has resumed this session: this one is to go. */
  replaced(): void;
}
