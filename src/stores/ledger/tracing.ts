import { namespaceOf, type QueueAddress, type Trace, type Traces, type WaitsFor } from "../../queue/message";
import type { StoredMessage } from "./journal";
import type { Ledger } from "./ledger";
import type { QueueState } from "./queue-state";

/** Waiting messages looked through at once on disk, so that writes go on in between. */
const SLICE = 10_000;
/**
 * Messages of one id that are told: so many that go on, as many dead ones, and as many that ended. One that was published
 * to a room is in as many inboxes as the room has members.
 */
const TOLD = 20;

/** Queues whose dead letters are looked through at once. */
const ASKED_AT_ONCE = 20;

/** A message that goes on, found at this moment. */
interface Found {
  readonly queue: QueueState;
  readonly message: StoredMessage;
  /** Of one that was found on disk, and is not due yet. */
  readonly dueAt: number | undefined;
}

/** Finds where the messages of an id are, or how they ended. */
export class Tracing {
  constructor(private readonly ledger: Ledger) {}

  /** @param address only this queue of the namespace; undefined: all of them. */
  async trace(id: string, namespace: string, address: QueueAddress | undefined): Promise<Traces> {
    const traces = await this.look(id, namespace, address);
    // A dead letter may have been redriven meanwhile: out of where it was still to be looked for, into where it was not found.
    return traces.found.length > 0 ? traces : this.look(id, namespace, address);
  }

  private async look(id: string, namespace: string, address: QueueAddress | undefined): Promise<Traces> {
    const { directory } = this.ledger;
    const only = address && directory.queue(address);
    if (address !== undefined && only === undefined) return { found: [], hasMore: false };
    const all = only ? [only] : [...directory.allQueues()];
    const queues = all.filter((queue) => namespaceOf(queue.address) === namespace);
    const there = new NewestThere();
    there.add(queues.flatMap((queue) => [...queue.findInMemory(id)].map((message) => inMemory(queue, message))));
    if (queues.some((queue) => queue.isPartlyOnDisk)) await this.addFromDisk(id, namespace, only, there);
    const dead = await this.dead(id, queues);
    // One that died meanwhile is dead.
    for (const { message } of dead) there.delete(message.seq);
    const ended = await this.ended(id, namespace, only);
    return {
      found: [...there.newestFirst(), ...dead.slice(0, TOLD), ...ended.slice(0, TOLD)],
      hasMore: there.hasMore || dead.length > TOLD || ended.length > TOLD,
    };
  }

  private async addFromDisk(
    id: string,
    namespace: string,
    only: QueueState | undefined,
    there: NewestThere,
  ): Promise<void> {
    for (let after: number | undefined = 0; after !== undefined;) {
      const { found, next } = await this.ledger.journal.find(id, only?.no, after, SLICE);
      there.add(
        found.flatMap(({ message, dueAt }): Found[] => {
          const queue = this.ledger.directory.queueNo(message.queueNo);
          if (queue === undefined || namespaceOf(queue.address) !== namespace) return [];
          const lease = queue.leases.get(id);
          return [lease?.message.seq === message.seq ? inMemory(queue, lease.message) : { queue, message, dueAt }];
        }),
      );
      after = next;
    }
  }

  /** Dead letters, the newest first: one more than are told, where there are more. */
  private async dead(id: string, queues: readonly QueueState[]): Promise<(Trace & { state: "dead" })[]> {
    const asked = queues.filter(({ dead }) => dead > 0);
    const traces: (Trace & { state: "dead" })[] = [];
    // Some at once, which are one trip to the disk; not all, since each may find a large message.
    for (let at = 0; at < asked.length && traces.length <= TOLD; at += ASKED_AT_ONCE) {
      const found = await Promise.all(asked.slice(at, at + ASKED_AT_ONCE).map((queue) => this.deadIn(queue, id)));
      traces.push(...found.flat());
    }
    return traces.sort((a, b) => downwards(a.message.seq, b.message.seq));
  }

  private async deadIn(queue: QueueState, id: string): Promise<(Trace & { state: "dead" })[]> {
    const traces: (Trace & { state: "dead" })[] = [];
    // A page may end before its limit where letters are large.
    for (let afterSeq = 0; afterSeq < Infinity && traces.length <= TOLD;) {
      const limit = TOLD + 1 - traces.length;
      const letters = await this.ledger.journal.deadLetters(queue.no, { ids: [id] }, limit, afterSeq);
      for (const letter of letters) {
        traces.push({ queue: queue.address, state: "dead", message: letter.message, letter });
      }
      afterSeq = letters[letters.length - 1]?.message.seq ?? Infinity;
    }
    return traces;
  }

  /** Endings, the newest first: one more than are told at the least, where there are more. */
  private async ended(id: string, namespace: string, only: QueueState | undefined): Promise<Trace[]> {
    for (let limit = TOLD + 1; ; limit *= 10) {
      const endings = await this.ledger.journal.endings(id, only?.no, limit);
      const traces = endings.flatMap(({ queueNo, ending }): Trace[] => {
        const queue = this.ledger.directory.queueNo(queueNo);
        if (queue === undefined || namespaceOf(queue.address) !== namespace) return [];
        return [{ queue: queue.address, state: "ended", ending }];
      });
      // Those of other namespaces may have taken their place.
      if (traces.length > TOLD || endings.length < limit) return traces;
    }
  }
}

/** The newest of those that go on, as many as are told: only into these is looked further. */
class NewestThere {
  hasMore = false;
  private readonly traces = new Map<number, Trace>();

  /** Adds what was found just now; what was found before stays as it was then. */
  add(found: readonly Found[]): void {
    const fresh = found.filter(({ message }) => !this.traces.has(message.seq));
    const seqs = [...this.traces.keys(), ...fresh.map(({ message }) => message.seq)].sort(downwards);
    const last = seqs[TOLD - 1] ?? 0;
    this.hasMore ||= seqs.length > TOLD;
    for (const seq of this.traces.keys()) if (seq < last) this.traces.delete(seq);
    for (const each of fresh) if (each.message.seq >= last) this.traces.set(each.message.seq, traceThere(each));
  }

  delete(seq: number): void {
    this.traces.delete(seq);
  }

  newestFirst(): Trace[] {
    return [...this.traces].sort(([a], [b]) => downwards(a, b)).map(([, trace]) => trace);
  }
}

function inMemory(queue: QueueState, message: StoredMessage): Found {
  return { queue, message, dueAt: undefined };
}

function traceThere({ queue, message, dueAt }: Found): Trace {
  const lease = queue.leases.get(message.id);
  if (lease?.message === message) return { queue: queue.address, state: "leased", message, delivery: lease };
  if (dueAt !== undefined) return { queue: queue.address, state: "delayed", message, dueAt };
  const waitsFor = waitsForOf(queue, message);
  return { queue: queue.address, state: "ready", message, aheadAtLeast: queue.countAhead(message), waitsFor };
}

function waitsForOf(queue: QueueState, message: StoredMessage): WaitsFor | undefined {
  const holder = message.group === undefined ? undefined : queue.groupHolder(message.group);
  if (holder !== undefined && holder.seq !== message.seq) return { what: "group", seq: holder.seq, id: holder.id };
  const namesake = queue.leases.get(message.id)?.message;
  return namesake && { what: "namesake", seq: namesake.seq, id: namesake.id };
}

function downwards(a: number, b: number): number {
  return b - a;
}
