import type { Caller } from "./handler";
import { queueOrOwnInbox } from "./own-inbox";

/** Has a queue's messages delivered to this connection from now on; said again, changes its prefetch. */
export async function consume(caller: Caller, argument: unknown): Promise<object> {
  const request = caller.read.consume(argument);
  const queue = queueOrOwnInbox(caller, request.queue);
  const ready = await caller.broker.consume(caller.session, queue, request.prefetch ?? caller.defaultPrefetch);
  return { queue, ready };
}
