import { WaybillError } from "../protocol/errors";
import type { DeliveryRef, SettleError, SettleOutcome, SettleRef, SettleStatus } from "../protocol/wire";
import type { Clock } from "./clock";
import { queueAddress, type Delivery, type QueueAddress } from "./message";
import type { RuleBook } from "./queue-rules";
import type { Session } from "./session";
import { settleNack, type Nack } from "./settlement";
import type { Settlement, SettleRequest, SettleResult, Store } from "./store";

/** What a settler tells. */
export interface SettlerEvents {
  /** Deliveries of this queue were settled: there may be credit, or something ready. */
  settled(queue: QueueAddress): void;
  /** The store refused what no reply can carry. */
  failed(what: string, error: unknown): void;
}

/** Takes consumers' and the hub's own word on deliveries to the store, and their sessions' count of what is out along. */
export class Settler {
  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly rules: RuleBook,
    private readonly random: () => number,
    private readonly events: SettlerEvents,
  ) {}

  /** @param queueName of the deliveries that name no queue of their own; so for `nack` and `extend`. */
  async ack(session: Session, queueName: string, refs: readonly SettleRef[]): Promise<SettleOutcome[]> {
    const queueOf = queueReader(session, queueName);
    const requests = refs.map((ref) => settleRequest(session, queueOf(ref), ref, ACK));
    return this.settle(session, requests, "acked");
  }

  async nack(session: Session, queueName: string, refs: readonly SettleRef[], nack: Nack): Promise<SettleOutcome[]> {
    const now = this.clock.now();
    const decide = ({ message }: Delivery, queue: QueueAddress) =>
      settleNack(message, nack, this.rules.of(queue), now, this.random);
    return this.settleHeld(session, queueName, refs, decide, "nacked");
  }

  /** @returns for each delivery its new deadline, in milliseconds since the epoch. */
  async extend(
    session: Session,
    queueName: string,
    refs: readonly SettleRef[],
    leaseMs: number,
  ): Promise<{ deadline: number; results: SettleOutcome[] }> {
    const deadline = this.clock.now() + leaseMs;
    const results = await this.settleHeld(session, queueName, refs, () => ({ action: "extend", deadline }), "extended");
    return { deadline, results };
  }

  /** Settles what the session holds; what it does not hold is lost to it. */
  private async settleHeld(
    session: Session,
    queueName: string,
    refs: readonly SettleRef[],
    decide: (delivery: Delivery, queue: QueueAddress) => Settlement,
    status: SettleStatus,
  ): Promise<SettleOutcome[]> {
    const queueOf = queueReader(session, queueName);
    const requests: SettleRequest[] = [];
    const places = refs.map((ref) => {
      const queue = queueOf(ref);
      const delivery = session.held(queue).get(ref.id);
      if (delivery?.attempt !== ref.attempt) return undefined;
      return requests.push(settleRequest(session, queue, ref, decide(delivery, queue))) - 1;
    });
    const settled = await this.settle(session, requests, status);
    return refs.map((ref, index) => {
      const place = places[index];
      return (place === undefined ? undefined : settled[place]) ?? leaseLost(ref);
    });
  }

  private async settle(
    session: Session,
    requests: readonly SettleRequest[],
    status: SettleStatus,
  ): Promise<SettleOutcome[]> {
    // What is here under that id may be another attempt, or the next message of that id, which is not settled by this.
    const settling = requests.map(({ queue, id, attempt }) => {
      const delivery = session.held(queue).get(id);
      return delivery?.attempt === attempt ? delivery : undefined;
    });
    const results = await this.store.settle(requests);
    const settled = requests.map((request, index) => {
      const result = results[index] ?? "lost";
      // One that is lost may be on its way to be settled otherwise: where that fails it is still held.
      const isOver = result === "done" || result === "already";
      if (isOver && request.settlement.action !== "extend") session.forget(request.queue, settling[index]);
      return describeSettled(request, result, status);
    });
    for (const queue of new Set(requests.map((request) => request.queue))) this.events.settled(queue);
    return settled;
  }

  /** Settles deliveries of any holder on the hub's own account. Does not reject: the leases run out by themselves. */
  async settleAll(
    queue: QueueAddress,
    deliveries: Iterable<Delivery>,
    decide: (delivery: Delivery) => Settlement,
  ): Promise<void> {
    const requests = Array.from(deliveries, (delivery) => ({
      queue,
      id: delivery.message.id,
      attempt: delivery.attempt,
      holder: delivery.holder,
      settlement: decide(delivery),
    }));
    try {
      await this.store.settle(requests);
    } catch (error) {
      this.events.failed(`giving back ${requests.length} deliveries of ${queue}`, error);
    }
    this.events.settled(queue);
  }
}

/** The queue of each delivery. */
function queueReader({ namespace }: Session, queueName: string): (ref: SettleRef) => QueueAddress {
  const usual = queueAddress(namespace, queueName);
  return ({ queue }) => (queue === undefined ? usual : queueAddress(namespace, queue));
}

const ACK: Settlement = { action: "ack" };

function describeSettled(request: SettleRequest, result: SettleResult, status: SettleStatus): SettleOutcome {
  const { id, settlement } = request;
  if (result === "already") return { id, status: "already" };
  if (result === "done") return { id, status: settlement.action === "dead" ? "dead" : status };
  return result === "failed" ? notStored(request) : leaseLost(request);
}

function notStored({ id }: DeliveryRef): SettleError {
  return { id, error: new WaybillError("STORE_UNAVAILABLE", "The store did not take the first ack of it.").toWire() };
}

function leaseLost({ id, attempt }: DeliveryRef): SettleError {
  return {
    id,
    error: new WaybillError("LEASE_LOST", `This connection does not hold attempt ${attempt} of "${id}".`).toWire(),
  };
}

function settleRequest(
  session: Session,
  queue: QueueAddress,
  { id, attempt }: DeliveryRef,
  settlement: Settlement,
): SettleRequest {
  return { queue, id, attempt, holder: session.id, settlement };
}
