import type { RequestReader } from "../../protocol/requests";
import type { Broker } from "../../queue/broker";
import type { Delivery } from "../../queue/message";
import type { Session } from "../../queue/session";

/** What a request may use: the connection that sent it, as its handler sees it. */
export interface Caller {
  readonly broker: Broker;
  readonly session: Session;
  readonly read: RequestReader;
  /** Whether the reply to a list may say once what is the same of each. */
  readonly brief: boolean;
  /** Deliveries that a consumer has out at once where it names no number. */
  readonly defaultPrefetch: number;
  /** Takes out what is leased for this connection, and has not been sent to it yet, of a queue. */
  takeUnsent(queueName: string): readonly Delivery[];
}

/**
 * Answers one request.
 *
 * @param argument what the client sent, unread.
 * @returns the reply without its `ok`.
 * @throws WaybillError, which refuses the request.
 */
export type Handler = (caller: Caller, argument: unknown) => Promise<object>;
