import { compilePatterns, inboxOf, isNamespace, isQueueName, roomTarget } from "../protocol/names";
import { nameOf, namespaceOf, queueAddress, roomAddress, type QueueAddress, type RoomAddress } from "./message";

/** What is published to `from` also goes to `to`: from any namespace, queue or room to any other. */
export interface Route {
  readonly from: { readonly namespace: string; readonly pattern: string };
  readonly to: QueueAddress | RoomAddress;
  /** Only these events; undefined: all. */
  readonly events: readonly string[] | undefined;
}

/** Where a message of this event published to `target` goes as well, each address once. */
export type RouteTable = (target: QueueAddress | RoomAddress, event: string) => readonly (QueueAddress | RoomAddress)[];

const ROUTE =
  /^(?<namespace>\/[^:\s]*):(?<pattern>.+?)\s*->\s*(?<toNamespace>\/[^:\s]*):(?<to>.+?)\s*(?:\[(?<events>[^\]]*)\])?$/;
const NO_ADDRESSES: readonly (QueueAddress | RoomAddress)[] = [];

/**
 * Reads one route: `/orders:new -> /shipping:pack [order-paid, order-cancelled]`. The left side may be a pattern
 * (`/:room:north-*`), the right side is a queue, `@client` or `room:name`; the events are optional.
 *
 * @throws Error that names what is wrong with the text.
 */
export function parseRoute(text: string): Route {
  const parts = ROUTE.exec(text.trim())?.groups;
  if (!parts) throw new Error(`"${text.trim()}" is not of the form "/namespace:queue -> /namespace:queue [event, …]"`);
  const { namespace = "", pattern = "", toNamespace = "", to = "", events } = parts;
  for (const name of [namespace, toNamespace]) {
    if (!isNamespace(name)) throw new Error(`"${name}" in "${text.trim()}" is not a namespace`);
  }
  const eventNames = events
    ?.split(",")
    .map((event) => event.trim())
    .filter((event) => event !== "");
  return {
    from: { namespace, pattern },
    to: parseTarget(toNamespace, to, text),
    events: eventNames?.length ? eventNames : undefined,
  };
}

function parseTarget(namespace: string, name: string, text: string): QueueAddress | RoomAddress {
  const room = name.startsWith("room:") ? name.slice("room:".length) : undefined;
  if (!isQueueName(room ?? name) || room?.startsWith("@")) {
    throw new Error(`"${name}" in "${text.trim()}" is not the name of a queue, @client or room:name`);
  }
  return room === undefined ? queueAddress(namespace, name) : roomAddress(namespace, room);
}

/**
 * The table of these routes, followed transitively.
 *
 * @throws Error that names the loop, when an event could come back to where it was published.
 */
export function routeTable(routes: readonly Route[]): RouteTable {
  const compiled = routes.map((route) => ({ ...route, matches: compilePatterns([route.from.pattern]) }));
  const next = (address: QueueAddress | RoomAddress, event: string | undefined) =>
    compiled.filter(
      (route) =>
        route.from.namespace === namespaceOf(address) &&
        route.matches(nameOf(address)) &&
        (event === undefined || route.events === undefined || route.events.includes(event)),
    );
  refuseLoops(routes, next);
  if (routes.length === 0) return () => NO_ADDRESSES;
  return (target, event) => {
    const reached = new Set<QueueAddress | RoomAddress>();
    const waiting: (QueueAddress | RoomAddress)[] = [target];
    for (let address = waiting.pop(); address !== undefined; address = waiting.pop()) {
      for (const route of next(address, event)) {
        if (reached.has(route.to)) continue;
        reached.add(route.to);
        waiting.push(route.to);
      }
    }
    return [...reached];
  };
}

type NextRoutes = (address: QueueAddress | RoomAddress, event: string | undefined) => readonly Route[];

/** Walks from each route's end for each event that could travel it; meeting the same end again is a loop. */
function refuseLoops(routes: readonly Route[], next: NextRoutes): void {
  const named = new Set(routes.flatMap((route) => route.events ?? []));
  // An event that no route names travels only the routes without a list; a name that none can carry stands for those.
  const events = [...named, "\u0000any other event"];
  for (const event of events) {
    for (const start of routes) {
      if (start.events !== undefined && !start.events.includes(event)) continue;
      walk(start, [], event);
    }
  }

  function walk(route: Route, path: readonly Route[], event: string): void {
    const met = path.findIndex((step) => step.to === route.to);
    if (met >= 0) {
      const loop = [...path.slice(met), route].map((step) => step.to).join(" -> ");
      throw new Error(`these routes form a loop: ${loop}`);
    }
    for (const following of next(route.to, event)) walk(following, [...path, route], event);
  }
}

/** The text that `parseRoute` reads a target from, for messages. */
export function describeTarget(target: { queue?: string; room?: string; client?: string }): string {
  if (target.room !== undefined) return roomTarget(target.room);
  return target.client !== undefined ? inboxOf(target.client) : (target.queue ?? "");
}
