import type { Caller } from "./handler";
import { queueOrOwnInbox } from "./own-inbox";
import { settled } from "./settled";

/** The consumer needs more time for these. */
export async function extend(caller: Caller, argument: unknown): Promise<object> {
  const { queue, deliveries, leaseMs } = caller.read.extend(argument);
  const inQueue = queueOrOwnInbox(caller, queue);
  const { results, deadline } = await caller.broker.extend(caller.session, inQueue, deliveries, leaseMs);
  return settled(caller, results, new Date(deadline).toISOString());
}
