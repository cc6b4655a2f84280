import type { Caller } from "./handler";

/** An operator puts dead letters back in their queue. */
export async function redrive(caller: Caller, argument: unknown): Promise<object> {
  const { queue, ids } = caller.read.deadSelection(argument);
  return { queue, redriven: await caller.broker.dead.redrive(caller.session, queue, ids) };
}
