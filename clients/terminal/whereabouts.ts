import type { DeadReason, EndedMessage, TracedMessage } from "../../src/protocol/wire";
import { shown } from "./screen";

/** Sentences of the hub's, with names in them: longer than somebody's single text. */
const MAX_SENTENCE_LENGTH = 500;

const DIED: Readonly<Record<DeadReason, string>> = {
  refused: "its consumer refused it",
  attempts: "it failed as often as it may",
  expired: "its time to live passed",
  overflow: "its queue was full",
};

/** Where a message is, in plain words: a line that says it, and what else is known of it below. */
export function describeTraced(message: TracedMessage): string[] {
  const head = `${shown(message.id)} in ${shown(message.queue)}: ${describeState(message)}`;
  if (message.state === "ended") return [head];
  const { seq, event, group, publishedAt, publisher, attempts, failures, error, stuck } = message;
  const lines = [head];
  // Of a delayed one the first line says what keeps it.
  if (stuck !== undefined && message.state !== "delayed") lines.push(`  ${shown(stuck, MAX_SENTENCE_LENGTH)}`);
  const inGroup = group === undefined ? "" : `, group ${shown(group)}`;
  lines.push(`  ${shown(event)}${inGroup}, seq ${seq}, published ${publishedAt} by ${shown(publisher)}`);
  if (attempts > 0) lines.push(`  attempts ${attempts}, failures ${failures}`);
  // Only a redrive takes failures away, and leaves the error.
  const before = failures === 0 ? ", before it was put back" : "";
  if (error !== undefined) lines.push(`  last failure${before}: ${shown(error, MAX_SENTENCE_LENGTH)}`);
  return lines;
}

function describeState(message: TracedMessage): string {
  switch (message.state) {
    case "ready":
      return "ready, waits for a consumer";
    case "delayed":
      return `delayed until ${message.dueAt}`;
    case "leased": {
      const { client, attempt, until } = message.leasedBy;
      return `out with ${shown(client)} (attempt ${attempt}), who has until ${until}`;
    }
    case "dead": {
      const { reason, diedAt, lastHolder } = message;
      const had = lastHolder === undefined ? "" : `; ${shown(lastHolder)} had it last`;
      return `dead since ${diedAt}: ${DIED[reason]}${had}`;
    }
    case "ended":
      return describeEnd(message);
  }
}

function describeEnd({ how, at, attempt, client }: EndedMessage): string {
  const given = attempt === 0 ? "never given out" : `attempt ${attempt}`;
  const by = client === undefined ? "" : ` by ${shown(client)}`;
  return `${how}${by} at ${at} (${given})`;
}
