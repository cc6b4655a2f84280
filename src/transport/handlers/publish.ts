import { WaybillError } from "../../protocol/errors";
import type { ReadMessage } from "../../protocol/requests";
import type { PublishMessage, PublishResult } from "../../protocol/wire";
import type { Caller } from "./handler";

/**
 * Stores messages; answers when they are durable. In a list each message has its own result, and a bad one costs the
 * others nothing. A message alone is stored or refused: `ok` then always means stored.
 */
export async function publish(caller: Caller, argument: unknown): Promise<object> {
  const { broker, session, read } = caller;
  const { batch, messages } = read.publish(argument);
  const readable = messages.flatMap((each) => ("message" in each ? [each.message] : []));
  const stored = readable.length > 0 ? await broker.publish(session, readable) : [];
  const results = readable.length === messages.length ? stored : interleave(messages, readable, stored);
  const [first] = results;
  if (!batch && first && "error" in first) throw WaybillError.fromWire(first.error);
  return { results, durability: broker.durability };
}

/** Puts the results of those that could be read back among those that could not. */
function interleave(
  messages: readonly ReadMessage[],
  readable: readonly PublishMessage[],
  stored: readonly PublishResult[],
): PublishResult[] {
  const resultOf = new Map(readable.map((message, index) => [message, stored[index]]));
  return messages.map((each) => {
    if (!("message" in each)) return each;
    return resultOf.get(each.message) ?? { error: new WaybillError("INTERNAL", "The message has no result.").toWire() };
  });
}
