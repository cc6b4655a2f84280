import type { DeliveryRef } from "../protocol/wire";
import type { Broker } from "./broker";
import type { Delivery, QueueAddress } from "./message";
import type { Session } from "./session";

/**
 * A vocabulary of a namespace's own, beside the protocol: events that clients may send and the form in which they are
 * given what they consume through it. Knows queues and sessions, no sockets; the transport carries it.
 */
export interface Dialect {
  open(line: DialectLine): DialectConnection;
}

/** What the transport lends a dialect for one connection. */
export interface DialectLine {
  readonly broker: Broker;
  readonly session: Session;
  /**
   * How the connection comes by its `clientId`, as of now: its token proves it, it states it on an open hub (or became
   * it), or the hub made one up for a connection that stated none.
   */
  readonly standing: "proven" | "stated" | "anonymous";
  /** Sends an event to the client, without waiting for an answer. */
  emit(event: string, argument: object): void;
  /**
   * Makes a connection that stated no identity on an open hub this client.
   *
   * @returns whether it now is that client.
   * @throws WaybillError `LIMIT_REACHED` when that client has as many connections as it may.
   */
  becomeClient(clientId: string): boolean;
  /** Writes a line into the hub's log. */
  log(fields: object, text: string): void;
}

/** One connection's use of a dialect. */
export interface DialectConnection {
  /**
   * Its requests by event name, each from its (unread) argument to the body of the reply; a `WaybillError` refuses.
   * A name that the protocol has too means this one.
   */
  readonly requests: ReadonlyMap<string, (argument: unknown) => Promise<object>>;
  /** @returns false when this queue was consumed through the protocol, so that its form is due. */
  deliver(queue: QueueAddress, deliveries: readonly Delivery[], again: boolean): boolean;
  /** @returns false, as `deliver` does. */
  revoked(queue: QueueAddress, deliveries: readonly DeliveryRef[], reason: string): boolean;
}
