import type { Caller } from "./handler";

/** An operator puts dead letters back in their queue: all at once, or so many a second. */
export async function redrive(caller: Caller, argument: unknown): Promise<object> {
  const { queue, selection, perSecond } = caller.read.redrive(argument);
  return { queue, redriven: await caller.broker.dead.redrive(caller.session, queue, selection, perSecond) };
}
