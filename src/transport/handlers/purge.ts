import type { Caller } from "./handler";

/** An operator throws dead letters away. */
export async function purge(caller: Caller, argument: unknown): Promise<object> {
  const { queue, selection } = caller.read.purge(argument);
  return { queue, purged: await caller.broker.dead.purge(caller.session, queue, selection) };
}
