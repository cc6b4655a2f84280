import { WaybillError } from "../protocol/errors";
import { inboxOf } from "../protocol/names";
import type { DialectLine } from "../queue/dialect";
import { queueAddress, type QueueAddress } from "../queue/message";
import { show } from "./fields";
import { DRIVER_QUEUE, isStoreName, meansDrivers } from "./parcel";

/** How many deliveries one connection may have out unanswered. */
export interface Prefetch {
  readonly driver: number;
  readonly store: number;
}

interface Start {
  readonly ready: Promise<number>;
  readonly fresh: boolean;
}

/** The queues that one connection consumes through the dialect. */
export class Consumption {
  private readonly consumed = new Set<QueueAddress>();
  private readonly starting = new Map<QueueAddress, Start>();

  constructor(
    private readonly line: DialectLine,
    private readonly prefetch: Prefetch,
  ) {}

  has(queue: QueueAddress): boolean {
    return this.consumed.has(queue);
  }

  /**
   * Consumes a queue from now on; harmless when it already is.
   *
   * @returns `fresh` when this start, or one still under way, hands over what the connection holds already.
   */
  async start(queue: string): Promise<{ ready: number; fresh: boolean }> {
    const address = queueAddress(this.line.session.namespace, queue);
    const start = this.starting.get(address) ?? this.begin(address, queue);
    try {
      return { ready: await start.ready, fresh: start.fresh };
    } catch (error) {
      if (start.fresh) this.consumed.delete(address);
      throw error;
    } finally {
      this.starting.delete(address);
    }
  }

  private begin(address: QueueAddress, queue: string): Start {
    const fresh = !this.consumed.has(address);
    // Before the broker is asked: it may hand over at once what a resumed session holds, and that must find its form.
    this.consumed.add(address);
    const prefetch = queue === DRIVER_QUEUE ? this.prefetch.driver : this.prefetch.store;
    const consuming = this.line.broker.consume(this.line.session, queue, { prefetch, exclusive: false });
    const start = { ready: consuming.then(({ ready }) => ready), fresh };
    this.starting.set(address, start);
    return start;
  }
}

/**
 * The queue that a client means by a name: the drivers', or a shop's own. A connection without an identity becomes
 * the shop that it names.
 *
 * @throws WaybillError `INVALID`, or `FORBIDDEN` for another client's name.
 */
export function resolveQueue(line: DialectLine, name: string): string {
  if (meansDrivers(name)) return DRIVER_QUEUE;
  if (!isStoreName(name))
    throw new WaybillError("INVALID", `the queue must be a shop's name or "driver"; given: ${show(name)}.`);
  const { clientId } = line.session.identity;
  if (clientId !== name && !line.becomeClient(name)) {
    throw new WaybillError("FORBIDDEN", `${show(clientId)} may not consume the messages of ${show(name)}.`);
  }
  return inboxOf(name);
}
