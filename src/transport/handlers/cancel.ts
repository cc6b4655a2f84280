import type { Caller } from "./handler";
import { queueOrOwnInbox } from "./own-inbox";

/** Ends a consumer. What it was delivered stays its own to settle; what waits to be sent to it goes back. */
export async function cancel(caller: Caller, argument: unknown): Promise<object> {
  const queue = queueOrOwnInbox(caller, caller.read.cancel(argument).queue);
  caller.broker.cancel(caller.session, queue, caller.takeUnsent(queue));
  return { queue };
}
