import type { QueueAddress, Trace } from "../../queue/message";
import type { StoredMessage } from "./journal";
import type { Ledger } from "./ledger";
import type { QueueState } from "./queue-state";

/** Waiting messages looked through at once on disk, so that writes go on in between. */
const SLICE = 10_000;
/** Dead letters and endings of one id that are told. */
const TOLD = 20;

/** Finds where the messages of an id are, or how they ended. */
export class Tracing {
  constructor(private readonly ledger: Ledger) {}

  /** @param address only this queue; undefined: all. */
  async trace(id: string, address: QueueAddress | undefined): Promise<readonly Trace[]> {
    const found = await this.look(id, address);
    // A dead letter may have been redriven meanwhile: out of where it was still to be looked for, into where it was not found.
    return found.length > 0 ? found : this.look(id, address);
  }

  private async look(id: string, address: QueueAddress | undefined): Promise<readonly Trace[]> {
    const { directory } = this.ledger;
    const only = address && directory.queue(address);
    if (address !== undefined && only === undefined) return [];
    const queues = only ? [only] : [...directory.allQueues()];
    const traces = new Map<number, Trace>();
    for (const queue of queues) {
      for (const message of queue.findInMemory(id)) traces.set(message.seq, traceInMemory(queue, message));
    }
    if (queues.some((queue) => queue.isPartlyOnDisk)) await this.addFromDisk(id, only, traces);
    const dead = await this.dead(id, queues);
    // One that died meanwhile is dead.
    for (const { message } of dead) traces.delete(message.seq);
    const newestFirst = [...traces].sort(([a], [b]) => b - a).map(([, trace]) => trace);
    return [...newestFirst, ...dead, ...(await this.ended(id, only))];
  }

  private async addFromDisk(id: string, only: QueueState | undefined, traces: Map<number, Trace>): Promise<void> {
    for (let after: number | undefined = 0; after !== undefined;) {
      const { found, next } = await this.ledger.journal.find(id, only?.no, after, SLICE);
      for (const { message, dueAt } of found) {
        const queue = this.ledger.directory.queueNo(message.queueNo);
        if (queue === undefined || traces.has(message.seq)) continue;
        const { address } = queue;
        const lease = queue.leases.get(id);
        if (lease?.message.seq === message.seq) traces.set(message.seq, traceInMemory(queue, lease.message));
        else if (dueAt === undefined) traces.set(message.seq, traceReady(queue, message));
        else traces.set(message.seq, { queue: address, state: "delayed", message, dueAt });
      }
      after = next;
    }
  }

  private async dead(id: string, queues: readonly QueueState[]): Promise<(Trace & { state: "dead" })[]> {
    const traces: (Trace & { state: "dead" })[] = [];
    for (const queue of queues) {
      if (queue.dead === 0 || traces.length >= TOLD) continue;
      for (const letter of await this.ledger.journal.deadLetters(queue.no, { ids: [id] }, TOLD, 0)) {
        traces.push({ queue: queue.address, state: "dead", message: letter.message, letter });
      }
    }
    return traces;
  }

  private async ended(id: string, only: QueueState | undefined): Promise<Trace[]> {
    const endings = await this.ledger.journal.endings(id, only?.no);
    return endings.slice(0, TOLD).flatMap(({ queueNo, ending }): Trace[] => {
      const queue = this.ledger.directory.queueNo(queueNo);
      return queue ? [{ queue: queue.address, state: "ended", ending }] : [];
    });
  }
}

function traceInMemory(queue: QueueState, message: StoredMessage): Trace {
  const lease = queue.leases.get(message.id);
  if (lease?.message !== message) return traceReady(queue, message);
  return { queue: queue.address, state: "leased", message, delivery: lease };
}

function traceReady(queue: QueueState, message: StoredMessage): Trace {
  const holder = message.group === undefined ? undefined : queue.groupHolder(message.group);
  const namesake = queue.leases.get(message.id)?.message;
  const waitsFor =
    holder !== undefined && holder !== message.seq
      ? ({ what: "group", seq: holder } as const)
      : namesake && ({ what: "namesake", seq: namesake.seq } as const);
  return { queue: queue.address, state: "ready", message, aheadAtLeast: queue.countAhead(message), waitsFor };
}
