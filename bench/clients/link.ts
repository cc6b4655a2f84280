/** A system as its users see it from Node: through the client that they would take. */

export interface Target {
  readonly url: string;
  /** A fresh name for each run. */
  readonly queue: string;
  /** Messages that may be on their way: unconfirmed or undelivered. The consumer is given credit for twice as many. */
  readonly window: number;
}

export interface Link {
  /** Resolves when the system has confirmed the message. */
  publish(order: object): Promise<unknown>;
  /** Sends the acks that are still to go, removes the queue where it would stay for ever, and disconnects. */
  close(): Promise<unknown>;
}

/** Makes the queue and consumes it: `handle` is called for each message, which is acked when it returns. */
export type OpenLink = (target: Target, handle: (order: unknown) => void) => Promise<Link>;
