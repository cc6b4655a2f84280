import type { Caller } from "./handler";
import { queueOrOwnInbox } from "./own-inbox";
import { settled } from "./settled";

/** The consumer gives these back: for another attempt, or for good. */
export async function nack(caller: Caller, argument: unknown): Promise<object> {
  const { queue, deliveries, ...how } = caller.read.nack(argument);
  return settled(caller, await caller.broker.nack(caller.session, queueOrOwnInbox(caller, queue), deliveries, how));
}
