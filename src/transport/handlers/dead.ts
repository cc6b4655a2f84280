import type { DeadLetterMessage } from "../../protocol/wire";
import type { DeadLetter } from "../../queue/message";
import type { Caller } from "./handler";

/** Shows an operator what left a queue unprocessed, by seq. */
export async function dead(caller: Caller, argument: unknown): Promise<object> {
  const { queue, selection, limit, afterSeq } = caller.read.dead(argument);
  const { total, letters } = await caller.broker.dead.list(caller.session, queue, selection, limit, afterSeq);
  return { queue, total, messages: letters.map(describeLetter) };
}

function describeLetter({ message, reason, lastHolder, diedAt }: DeadLetter): DeadLetterMessage {
  const { id, seq, event, payload, group, room, headers, publishedAt, publisher, attempts, failures } = message;
  return {
    id,
    seq,
    event,
    payload: JSON.parse(payload) as unknown,
    group,
    room,
    headers: headers === undefined ? undefined : (JSON.parse(headers) as Record<string, string>),
    publishedAt: new Date(publishedAt).toISOString(),
    publisher,
    reason,
    error: message.lastError,
    attempts,
    failures,
    lastHolder,
    diedAt: new Date(diedAt).toISOString(),
  };
}
