import type { Caller } from "./handler";
import { queueOrOwnInbox } from "./own-inbox";
import { settled } from "./settled";

/** The consumer is done with these; answers when that is stored. */
export async function ack(caller: Caller, argument: unknown): Promise<object> {
  const { queue, deliveries } = caller.read.ack(argument);
  return settled(caller, await caller.broker.ack(caller.session, queueOrOwnInbox(caller, queue), deliveries));
}
