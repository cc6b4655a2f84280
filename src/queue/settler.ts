import { WaybillError } from "../protocol/errors";
import type { DeliveryRef, SettleError, SettleOutcome, SettleRef, SettleStatus } from "../protocol/wire";
import type { Clock } from "./clock";
import { queueAddress, type Delivery, type QueueAddress } from "./message";
import { Outstanding } from "./outstanding";
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
    const outOf = outReader(session, queueName);
    const requests = refs.map((ref) => {
      const out = outOf(ref);
      return settling(session, out, ref, heldAs(out, ref), ACK);
    });
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
    const outOf = outReader(session, queueName);
    const requests: Settling[] = [];
    const places = refs.map((ref) => {
      const out = outOf(ref);
      const delivery = heldAs(out, ref);
      if (delivery === undefined) return undefined;
      return requests.push(settling(session, out, ref, delivery, decide(delivery, out.queue))) - 1;
    });
    const settled = await this.settle(session, requests, status);
    return refs.map((ref, index) => {
      const place = places[index];
      return (place === undefined ? undefined : settled[place]) ?? leaseLost(ref);
    });
  }

  private async settle(
    session: Session,
    requests: readonly Settling[],
    status: SettleStatus,
  ): Promise<SettleOutcome[]> {
    const results = await this.store.settle(requests);
    const settled = requests.map((request, index) => {
      const result = results[index] ?? "lost";
      // One that is lost may be on its way to be settled otherwise: where that fails it is still held.
      const isOver = result === "done" || result === "already";
      const { out, delivery, settlement } = request;
      if (isOver && delivery && settlement.action !== "extend") session.forget(out, delivery);
      return describeSettled(request, result, status);
    });
    for (const queue of new Set(requests.map(({ queue }) => queue))) this.events.settled(queue);
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

/** A settlement as it is asked for, with what it is of. */
interface Settling extends SettleRequest {
  readonly out: Outstanding;
  /** As `heldAs` found it. */
  readonly delivery: Delivery | undefined;
}

/** What the session has out of the queue of each delivery. */
function outReader(session: Session, queueName: string): (ref: SettleRef) => Outstanding {
  const { namespace } = session;
  const outOf = (queue: QueueAddress): Outstanding => session.outOf(queue) ?? new Outstanding(queue);
  const usual = outOf(queueAddress(namespace, queueName));
  return ({ queue }) => (queue === undefined ? usual : outOf(queueAddress(namespace, queue)));
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

/** @returns undefined where what is out under that id, if anything, is another attempt, or the next message of that id. */
function heldAs(out: Outstanding, { id, attempt }: DeliveryRef): Delivery | undefined {
  const delivery = out.deliveries.get(id);
  return delivery?.attempt === attempt ? delivery : undefined;
}

function settling(
  session: Session,
  out: Outstanding,
  { id, attempt }: DeliveryRef,
  delivery: Delivery | undefined,
  settlement: Settlement,
): Settling {
  return { queue: out.queue, id, attempt, holder: session.id, settlement, out, delivery };
}
