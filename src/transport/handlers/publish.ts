import { WaybillError } from "../../protocol/errors";
import type { RefusedMessage } from "../../protocol/requests";
import type { PublishResult } from "../../protocol/wire";
import { seqsOf } from "../brief";
import type { Caller } from "./handler";

/**
 * Stores messages; answers when they are durable. In a list each message has its own result, and a bad one costs the
 * others nothing. A message alone is stored or refused: `ok` then always means stored.
 */
export async function publish(caller: Caller, argument: unknown): Promise<object> {
  const { broker, session, read } = caller;
  const { batch, messages, refused } = read.publish(argument);
  const stored = messages.length > 0 ? await broker.publish(session, messages) : [];
  const results = refused.length === 0 ? stored : interleave(stored, refused);
  const [first] = results;
  if (!batch && first && "error" in first) throw WaybillError.fromWire(first.error);
  const seqs = caller.brief && refused.length === 0 ? seqsOf(messages, stored) : undefined;
  if (seqs !== undefined) return { seqs, durability: broker.durability };
  return { results, durability: broker.durability };
}

/** Puts what was refused in its places among the results of the others. */
function interleave(stored: readonly PublishResult[], refused: readonly RefusedMessage[]): PublishResult[] {
  const results = [...stored];
  for (const { place, id, error } of refused) results.splice(place, 0, { id, error });
  return results;
}
