import { WaybillError } from "../protocol/errors";
import type { DeliveryRef, SettleError, SettleOutcome, SettleStatus } from "../protocol/wire";
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

  async ack(session: Session, queueName: string, refs: readonly DeliveryRef[]): Promise<SettleOutcome[]> {
    const queue = queueAddress(session.namespace, queueName);
    const requests = refs.map((ref) => settleRequest(session, queue, ref, ACK));
    return this.settle(session, queue, requests, "acked");
  }

  async nack(session: Session, queueName: string, refs: readonly DeliveryRef[], nack: Nack): Promise<SettleOutcome[]> {
    const queue = queueAddress(session.namespace, queueName);
    const now = this.clock.now();
    const policy = this.rules.of(queue);
    const decide = (delivery: Delivery) => settleNack(delivery.message, nack, policy, now, this.random);
    return this.settleHeld(session, queue, refs, decide, "nacked");
  }

  /** @returns for each delivery its new deadline, in milliseconds since the epoch. */
  async extend(
    session: Session,
    queueName: string,
    refs: readonly DeliveryRef[],
    leaseMs: number,
  ): Promise<{ deadline: number; results: SettleOutcome[] }> {
    const queue = queueAddress(session.namespace, queueName);
    const deadline = this.clock.now() + leaseMs;
    const results = await this.settleHeld(session, queue, refs, () => ({ action: "extend", deadline }), "extended");
    return { deadline, results };
  }

  /** Settles what the session holds; what it does not hold is lost to it. */
  private async settleHeld(
    session: Session,
    queue: QueueAddress,
    refs: readonly DeliveryRef[],
    decide: (delivery: Delivery) => Settlement,
    status: SettleStatus,
  ): Promise<SettleOutcome[]> {
    const held = session.held(queue);
    const requests: SettleRequest[] = [];
    const places = refs.map((ref) => {
      const delivery = held.get(ref.id);
      if (delivery?.attempt !== ref.attempt) return undefined;
      return requests.push(settleRequest(session, queue, ref, decide(delivery))) - 1;
    });
    const settled = await this.settle(session, queue, requests, status);
    return refs.map((ref, index) => {
      const place = places[index];
      return (place === undefined ? undefined : settled[place]) ?? leaseLost(ref);
    });
  }

  private async settle(
    session: Session,
    queue: QueueAddress,
    requests: readonly SettleRequest[],
    status: SettleStatus,
  ): Promise<SettleOutcome[]> {
    if (requests.length === 0) return [];
    const held = session.held(queue);
    const settling = requests.map(({ id }) => held.get(id));
    const results = await this.store.settle(requests);
    const settled = requests.map((request, index) => {
      const result = results[index] ?? "lost";
      // One that is lost may be on its way to be settled otherwise: where that fails it is still held.
      const isOver = result === "done" || result === "already";
      if (isOver && request.settlement.action !== "extend") session.forget(queue, settling[index]);
      return describeSettled(request, result, status);
    });
    this.events.settled(queue);
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
