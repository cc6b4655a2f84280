import { WaybillError } from "../../protocol/errors";
import type { RefusedMessage } from "../../protocol/requests";
import type { Durability, PublishMessage, PublishResult } from "../../protocol/wire";
import { seqsOf } from "../brief";
import type { Caller } from "./handler";

/**
 * Stores messages; answers when they are durable. In a list each message has its own result, and a bad one costs the
 * others nothing. A message alone is stored or refused: `ok` then always means stored.
 *
 * What was received is not kept until then: the payloads of all that is on its way would be copied time and again by the
 * garbage collector.
 */
export function publish(caller: Caller, argument: unknown): Promise<object> {
  const { batch, messages, refused } = caller.read.publish(argument);
  const [message] = messages;
  return batch || message === undefined ? publishList(caller, messages, refused) : publishAlone(caller, message);
}

function publishAlone({ broker, session, brief }: Caller, message: PublishMessage): Promise<object> {
  const isBrief = brief && message.id !== undefined;
  return broker.publishAlone(session, message).then((result) => {
    if ("error" in result) throw WaybillError.fromWire(result.error);
    return replyOf([result], isBrief, broker.durability);
  });
}

function publishList(
  { broker, session, brief }: Caller,
  messages: readonly PublishMessage[],
  refused: readonly RefusedMessage[],
): Promise<object> {
  const isBrief = brief && refused.length === 0 && messages.every(({ id }) => id !== undefined);
  // Of nothing but bad ones each is told so, whatever the hub would say to a publish now.
  const storing = messages.length > 0 ? broker.publish(session, messages) : Promise.resolve([]);
  return storing.then((stored) => replyOf(interleave(stored, refused), isBrief, broker.durability));
}

/** @param isBrief whether seqs say all there is to say, where all was stored. */
function replyOf(results: readonly PublishResult[], isBrief: boolean, durability: Durability): object {
  const seqs = isBrief ? seqsOf(results) : undefined;
  return seqs === undefined ? { results, durability } : { seqs, durability };
}

/** Puts what was refused in its places among the results of the others. */
function interleave(stored: readonly PublishResult[], refused: readonly RefusedMessage[]): readonly PublishResult[] {
  if (refused.length === 0) return stored;
  const results = [...stored];
  for (const { place, id, error } of refused) results.splice(place, 0, { id, error });
  return results;
}
