/**
 * The parcel vocabulary that is taught with Socket.IO, for clients that were written without Waybill: a thin
 * translation onto queues. Shops are clients with an inbox, drivers share the queue `driver`.
 */
import { systemClock, type Clock } from "../queue/clock";
import type { Dialect, DialectConnection } from "../queue/dialect";
import type { CapsConnection, CapsRequest } from "./connection";
import { Consumption } from "./consumption";
import { formatDelivery } from "./delivery-form";
import { getAll } from "./get-all";
import { join } from "./join";
import { pickup } from "./pickup";
import { progress } from "./progress";
import { received } from "./received";

export interface CapsOptions {
  /**
   * Parcels that one driver may have in hand. Few, so that a queue is shared among the drivers rather than taken by
   * the first, and so that even one who carries them in turn, a few seconds each, is done before the lease ends.
   */
  readonly driverPrefetch?: number;
  /**
   * Messages that one shop may have unanswered. Many: a shop answers at once, but those that answer only `delivered`
   * keep an `in-transit` for every parcel on its way.
   */
  readonly storePrefetch?: number;
  readonly clock?: Clock;
}

const inTransit = progress("in-transit");

/** What clients may send, in the spellings that they are known to use. */
const REQUESTS: Readonly<Record<string, CapsRequest>> = {
  join,
  pickup,
  "in-transit": inTransit,
  in_transit: inTransit,
  inTransit,
  delivered: progress("delivered"),
  received,
  getAll,
  getall: getAll,
  "get-all": getAll,
};

export function capsDialect(options: CapsOptions = {}): Dialect {
  const prefetch = { driver: options.driverPrefetch ?? 10, store: options.storePrefetch ?? 500 };
  const clock = options.clock ?? systemClock;
  return {
    open: (line) => openConnection({ line, clock, consumption: new Consumption(line, prefetch) }),
  };
}

function openConnection(connection: CapsConnection): DialectConnection {
  const { line, consumption } = connection;
  return {
    requests: new Map(
      Object.entries(REQUESTS).map(([name, request]) => [name, (argument: unknown) => request(connection, argument)]),
    ),
    deliver(queue, deliveries) {
      if (!consumption.has(queue)) return false;
      for (const delivery of deliveries) {
        const form = formatDelivery(delivery);
        line.emit(form.event, form.argument);
      }
      return true;
    },
    // The vocabulary has no word for a lease that is gone: a late answer to it is harmless, which is all there is to say.
    revoked: (queue) => consumption.has(queue),
  };
}
