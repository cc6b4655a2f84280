import type { Caller } from "./handler";

const NO_LONGER_KEPT = "The room's history no longer reaches back that far.";

/** Puts the client, or another one, in a room for good; with `since`, its history comes into the inbox. */
export async function join(caller: Caller, argument: unknown): Promise<object> {
  const { room, client, since } = caller.read.join(argument);
  const { members, replayed, missing } = await caller.broker.join(caller.session, room, client, since);
  if (since === undefined) return { room, members };
  return { room, members, replayed, missing: missing && { ...missing, reason: NO_LONGER_KEPT } };
}
