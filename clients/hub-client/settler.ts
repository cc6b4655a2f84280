import { reasonOf, WaybillError, type WireError } from "../../src/protocol/errors";
import type { AckReply, Refused } from "../../src/protocol/wire";
import { backoffDelay, RETRY_BACKOFF } from "./backoff";
import { ConnectionLost, type Connection } from "./connection";
import type { Delivery, Verdict } from "./delivery";
import { afterTurn } from "./turn";
import { isFields, isRetryable, isWireError } from "./wire-guards";

/** Packets that may be out unanswered; what is settled meanwhile travels together in the next. */
const MAX_PACKETS_IN_FLIGHT = 8;
/** Settled deliveries that travel without waiting for the end of the turn: the hub stores them while it goes on. */
const FULL_BATCH = 128;

/** What a settler needs of the queue that it settles for. */
export interface SettledQueue {
  readonly queue: string;
  /** Every delivery of the queue that is not through, by id. */
  readonly deliveries: ReadonlyMap<string, Delivery>;
  /** The hub has the last word on it, or nobody has: it is to be forgotten. */
  settled(delivery: Delivery): void;
  refused(refused: Refused): void;
}

/** Tells the hub what became of one queue's deliveries, a turn's worth in one packet, until the hub has said that it knows. */
export class Settler {
  private line: Delivery[] = [];
  private packetsInFlight = 0;
  private flushing = false;
  /** Refused for now; waits for the retry. */
  private refused: Delivery[] = [];
  private refusals = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly owner: SettledQueue,
    private readonly connection: Connection,
  ) {}

  settle(delivery: Delivery, verdict: Verdict): void {
    delivery.state = "settling";
    delivery.verdict = verdict;
    this.enqueue(delivery);
    this.flushSoon();
  }

  /** Sends every verdict that the hub has not answered: for a connection that holds the same leases. */
  resume(): void {
    this.reset();
    for (const delivery of this.owner.deliveries.values()) {
      delivery.queued = false;
      if (delivery.state === "settling") this.enqueue(delivery);
    }
    this.flush();
  }

  /** Drops what is to be sent. */
  reset(): void {
    clearTimeout(this.retryTimer);
    this.line = [];
    this.refused = [];
  }

  private enqueue(delivery: Delivery): void {
    if (delivery.queued) return;
    delivery.queued = true;
    this.line.push(delivery);
  }

  private flushSoon(): void {
    if (this.line.length >= FULL_BATCH && this.packetsInFlight < MAX_PACKETS_IN_FLIGHT) {
      this.flush();
      return;
    }
    if (this.flushing) return;
    this.flushing = true;
    afterTurn(this.flush);
  }

  private readonly flush = (): void => {
    this.flushing = false;
    const maxBatch = this.connection.welcome?.limits.maxBatch ?? 1;
    while (this.line.length > 0 && this.connection.connected && this.packetsInFlight < MAX_PACKETS_IN_FLIGHT) {
      void this.send(this.takeBatch(maxBatch));
    }
  };

  /** The next deliveries that share a verdict; mostly all are acks. Those that were revoked meanwhile fall out. */
  private takeBatch(maxBatch: number): Delivery[] {
    const batch: Delivery[] = [];
    const rest: Delivery[] = [];
    for (const delivery of this.line) {
      if (this.owner.deliveries.get(delivery.id) !== delivery) continue;
      const joins = batch.length < maxBatch && sameVerdict(delivery.verdict, (batch[0] ?? delivery).verdict);
      (joins ? batch : rest).push(delivery);
    }
    this.line = rest;
    for (const delivery of batch) delivery.queued = false;
    return batch;
  }

  private async send(batch: readonly Delivery[]): Promise<void> {
    if (batch.length === 0) return;
    const verdict = batch[0]?.verdict;
    const deliveries = batch.map(({ id, attempt }) => ({ id, attempt }));
    const { queue } = this.owner;
    this.packetsInFlight++;
    let reply: AckReply | undefined;
    try {
      reply = await (typeof verdict === "object"
        ? this.connection.request("nack", { ...verdict, queue, deliveries })
        : this.connection.request("ack", { queue, deliveries }));
    } catch (error) {
      // After a lost connection the next welcome says whether these are still ours to settle.
      if (!(error instanceof ConnectionLost)) {
        reply = { ok: false, error: new WaybillError("INVALID", reasonOf(error)).toWire() };
      }
    }
    this.packetsInFlight--;
    if (reply === undefined) return;
    for (let index = 0; index < batch.length; index++) {
      const delivery = batch[index];
      if (delivery) this.answered(delivery, deliveries[index]?.attempt, errorOf(reply, index));
    }
    this.flushSoon();
  }

  private answered(delivery: Delivery, attempt: number | undefined, error: WireError | undefined): void {
    if (this.owner.deliveries.get(delivery.id) !== delivery) return;
    // Given again meanwhile: the word on the newer attempt is still to come.
    if (delivery.attempt !== attempt) return;
    if (error === undefined) {
      this.refusals = 0;
      this.owner.settled(delivery);
      return;
    }
    if (isRetryable(error)) {
      this.retryLater(delivery);
      return;
    }
    this.owner.settled(delivery);
    if (error.code !== "LEASE_LOST") this.owner.refused({ event: nameOf(delivery.verdict), error });
  }

  private retryLater(delivery: Delivery): void {
    if (delivery.queued) return;
    delivery.queued = true;
    this.refused.push(delivery);
    if (this.refused.length > 1) return;
    this.retryTimer = setTimeout(
      () => {
        this.line = this.refused.concat(this.line);
        this.refused = [];
        this.flush();
      },
      backoffDelay(++this.refusals, RETRY_BACKOFF),
    );
  }
}

function nameOf(verdict: Verdict | undefined): "ack" | "nack" {
  return typeof verdict === "object" ? "nack" : "ack";
}

function sameVerdict(a: Verdict | undefined, b: Verdict | undefined): boolean {
  if (typeof a !== "object" || typeof b !== "object") return a === b;
  return a.delayMs === b.delayMs && a.reason === b.reason && a.dead === b.dead;
}

const NO_RESULT: WireError = new WaybillError("INTERNAL", "The hub's reply has no result for this delivery.").toWire();

/** What the hub has against the settlement at this place of the request, if anything. */
function errorOf(reply: AckReply, index: number): WireError | undefined {
  if (!reply.ok) return reply.error;
  const result: unknown = reply.results[index];
  if (!isFields(result)) return NO_RESULT;
  if (isWireError(result.error)) return result.error;
  return typeof result.status === "string" ? undefined : NO_RESULT;
}
