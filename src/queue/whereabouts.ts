import type { Dispatcher } from "./dispatcher";
import { requireOperator } from "./identity";
import type { Standing } from "./line";
import { nameOf, queueAddress, type Delivery, type QueueAddress, type Trace, type WaitsFor } from "./message";
import type { Session } from "./session";
import type { Sessions } from "./sessions";
import type { Store } from "./store";

/** Where a message is, or how it ended, and why it is not moving. */
export interface Whereabouts {
  readonly trace: Trace;
  /** Why it waits, in words for an operator; undefined: it does not, or is done. */
  readonly stuck: string | undefined;
}

/** Those of an id. */
export interface Found {
  /** Those that go on, the newest first, then the dead ones, then those that ended. */
  readonly messages: readonly Whereabouts[];
  /** Whether there are more than are told: of each of the three only so many are. */
  readonly hasMore: boolean;
}

/** Consumers that an answer names; of more it gives the number. */
const NAMED = 5;

/** Answers operators who ask where a message is: what the store knows of it, and what the hub does. */
export class Inquiry {
  constructor(
    private readonly store: Pick<Store, "trace">,
    private readonly dispatcher: Pick<Dispatcher, "standings">,
    private readonly sessions: Pick<Sessions, "get" | "deliveryOf">,
    private readonly isDraining: () => boolean,
  ) {}

  /** @returns the messages of this id in one queue of the session's namespace, or in all of them. */
  async find({ identity, namespace }: Session, id: string, queueName: string | undefined): Promise<Found> {
    requireOperator(identity);
    const queue = queueName === undefined ? undefined : queueAddress(namespace, queueName);
    const { found, hasMore } = await this.store.trace(id, namespace, queue);
    return { messages: found.map((trace) => ({ trace, stuck: this.whyStuck(trace) })), hasMore };
  }

  private whyStuck(trace: Trace): string | undefined {
    switch (trace.state) {
      case "ready":
        return this.whyReady(trace);
      case "delayed":
        return `it is not due before ${isoTime(trace.dueAt)}${afterFailure(trace.message)}`;
      case "leased":
        return this.whyLeased(trace.delivery);
      case "dead":
      case "ended":
        return undefined;
    }
  }

  /** All that keeps it from being dealt, what has to end first before what only takes its time. */
  private whyReady({ queue, message, waitsFor, aheadAtLeast }: Trace & { state: "ready" }): string | undefined {
    const causes: string[] = [];
    if (this.isDraining()) causes.push("the hub is going down and deals nothing more");
    if (waitsFor) causes.push(this.whyBehind(queue, message.group, waitsFor));
    const noTaker = this.whyNotTaken(queue);
    if (noTaker !== undefined) causes.push(noTaker);
    if (aheadAtLeast > 0) causes.push(`${atLeast(aheadAtLeast)} before it`);
    return causes.length > 0 ? causes.join("; ") : undefined;
  }

  private whyBehind(queue: QueueAddress, group: string | undefined, { what, seq, id }: WaitsFor): string {
    const named = id === undefined ? `seq ${seq}` : `"${id}" (seq ${seq})`;
    const first =
      what === "group"
        ? `its group "${group ?? ""}" has one message out at a time, and ${named} goes first`
        : `an older message of the same id, seq ${seq}, has to be done with first`;
    const delivery = this.sessions.deliveryOf(queue, seq);
    if (delivery === undefined) return `${first}: that one waits too, for a consumer or for its next attempt`;
    return `${first}: ${delivery.client} has that one until ${isoTime(delivery.deadline)}`;
  }

  private whyNotTaken(queue: QueueAddress): string | undefined {
    const { isExclusive, standings } = this.dispatcher.standings(queue);
    if (standings.length === 0) return `nobody consumes "${nameOf(queue)}"`;
    if (standings.some(({ hasCredit }) => hasCredit)) return undefined;
    const named = standings.slice(0, NAMED).map(describeStanding).join(", ");
    if (isExclusive) return `the queue deals to one consumer at a time, and that one has no credit: ${named}`;
    const others = standings.length > NAMED ? `, and ${standings.length - NAMED} more` : "";
    return `none of its consumers has credit: ${named}${others}`;
  }

  private whyLeased({ holder, client, deadline }: Delivery): string | undefined {
    if (this.sessions.get(holder)?.attached) return undefined;
    return `the connection of ${client} is gone: it is given back when the grace is over, at the latest at ${isoTime(deadline)}`;
  }
}

function describeStanding({ client, out, prefetch }: Standing): string {
  const used = out < prefetch ? ", and with these as many bytes as it may" : "";
  return `${client} has ${out} of ${prefetch} out${used}`;
}

function afterFailure({ lastError, failures }: { lastError: string | undefined; failures: number }): string {
  if (lastError === undefined) return "";
  // A redrive counts none of them any more, and keeps what was said.
  if (failures === 0) return `; before it was redriven it failed, the last time because: ${lastError}`;
  return `; it failed ${failures === 1 ? "once" : `${failures} times`}, the last time because: ${lastError}`;
}

function atLeast(count: number): string {
  return count === 1 ? "at least one message goes" : `at least ${count} messages go`;
}

function isoTime(time: number): string {
  return new Date(time).toISOString();
}
