import type { Caller } from "./handler";
import { queueOrOwnInbox } from "./own-inbox";

/** The consumer needs more time for these. */
export async function extend(caller: Caller, argument: unknown): Promise<object> {
  const { queue, deliveries, leaseMs } = caller.read.extend(argument);
  const inQueue = queueOrOwnInbox(caller, queue);
  const extended = await caller.broker.extend(caller.session, inQueue, deliveries, leaseMs);
  const deadline = new Date(extended.deadline).toISOString();
  return {
    results: extended.results.map((result) =>
      "status" in result && result.status === "extended" ? { ...result, deadline } : result,
    ),
  };
}
