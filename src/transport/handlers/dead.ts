import type { DeadLetterMessage } from "../../protocol/wire";
import type { DeadLetter } from "../../queue/message";
import type { Caller } from "./handler";

/** Characters of JSON after which a page ends: a hundred large letters would be more than a connection may have waiting. */
const MAX_PAGE_LENGTH = 1_000_000;

/** Shows an operator what left a queue unprocessed, by seq. */
export async function dead(caller: Caller, argument: unknown): Promise<object> {
  const { queue, selection, limit, afterSeq } = caller.read.dead(argument);
  const { total, letters } = await caller.broker.dead.list(caller.session, queue, selection, limit, afterSeq);
  return { queue, total, messages: onePage(letters) };
}

/** As many as a reply may carry; at least one, so that the next page begins after it. */
function onePage(letters: readonly DeadLetter[]): readonly DeadLetterMessage[] {
  const page: DeadLetterMessage[] = [];
  let length = 0;
  for (const letter of letters) {
    const described = describeLetter(letter);
    // With headers, ids and reasons: they may be more than the payload.
    length += JSON.stringify(described).length;
    if (page.length > 0 && length > MAX_PAGE_LENGTH) break;
    page.push(described);
  }
  return page;
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
