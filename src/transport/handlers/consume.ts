import type { Caller } from "./handler";
import { queueOrOwnInbox } from "./own-inbox";

/** Has a queue's messages delivered to this connection from now on; said again, changes how. */
export async function consume(caller: Caller, argument: unknown): Promise<object> {
  const { queue: named, prefetch = caller.defaultPrefetch, exclusive = false } = caller.read.consume(argument);
  const queue = queueOrOwnInbox(caller, named);
  const { ready, active } = await caller.broker.consume(caller.session, queue, { prefetch, exclusive });
  return { queue, ready, active };
}
