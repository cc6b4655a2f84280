import type { Caller } from "./handler";

/** Takes the client, or another one, out of a room. */
export async function leave(caller: Caller, argument: unknown): Promise<object> {
  const { room, client } = caller.read.leave(argument);
  const { members } = await caller.broker.leave(caller.session, room, client);
  return { room, members };
}
