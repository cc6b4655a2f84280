import type { TracedMessage } from "../../protocol/wire";
import { nameOf, type Message } from "../../queue/message";
import type { Whereabouts } from "../../queue/whereabouts";
import type { Caller } from "./handler";

/** Tells an operator where the messages of an id are, why they do not move, or how they ended. */
export async function why(caller: Caller, argument: unknown): Promise<object> {
  const { id, queue } = caller.read.why(argument);
  const { messages, hasMore } = await caller.broker.why(caller.session, id, queue);
  return { messages: messages.map(describeWhereabouts), more: hasMore || undefined };
}

function describeWhereabouts({ trace, stuck }: Whereabouts): TracedMessage {
  const queue = nameOf(trace.queue);
  switch (trace.state) {
    case "ready":
      return { queue, state: trace.state, ...describeMessage(trace.message), stuck };
    case "delayed":
      return { queue, state: trace.state, ...describeMessage(trace.message), dueAt: isoTime(trace.dueAt), stuck };
    case "leased": {
      const { client, attempt, deadline } = trace.delivery;
      const leasedBy = { client, attempt, until: isoTime(deadline) };
      return { queue, state: trace.state, ...describeMessage(trace.message), leasedBy, stuck };
    }
    case "dead": {
      const { reason, lastHolder, diedAt } = trace.letter;
      const death = { reason, diedAt: isoTime(diedAt), lastHolder };
      return { queue, state: trace.state, ...describeMessage(trace.message), ...death, stuck };
    }
    case "ended": {
      const { id, how, at, attempt, client } = trace.ending;
      return { queue, state: trace.state, id, how, at: isoTime(at), attempt, client };
    }
  }
}

function describeMessage({ id, seq, event, publishedAt, publisher, group, attempts, failures, lastError }: Message) {
  return { id, seq, event, publishedAt: isoTime(publishedAt), publisher, group, attempts, failures, error: lastError };
}

function isoTime(time: number): string {
  return new Date(time).toISOString();
}
