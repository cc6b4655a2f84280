import { reasonOf, WaybillError, type WireError } from "../../src/protocol/errors";
import type { Limits, SettleRef, SettleReply } from "../../src/protocol/wire";
import { backoffDelay, RETRY_BACKOFF } from "./backoff";
import { ConnectionLost, type Connection } from "./connection";
import type { Delivery, DeliveryOwner, Verdict } from "./delivery";
import type { NackOptions } from "./nack";
import { PacketRoom, refLength } from "./packet-room";
import { afterTurn } from "./turn";
import { isRetryable, settleErrorAt } from "./wire-guards";

/** Packets that may be out unanswered; what is settled meanwhile travels together in the next. */
const MAX_PACKETS_IN_FLIGHT = 8;
/** Settled deliveries that travel without waiting for the end of the turn: the hub stores them while it goes on. */
const FULL_BATCH = 256;

/** Tells the hub what became of a client's deliveries, a turn's worth in one packet, until the hub has said that it knows. */
export class Settler {
  private line: Delivery[] = [];
  private packetsInFlight = 0;
  private flushing = false;
  /** Refused for now; waits for the retry. */
  private refused: Delivery[] = [];
  private refusals = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly connection: Connection) {}

  settle(delivery: Delivery, verdict: Verdict): void {
    delivery.state = "settling";
    delivery.verdict = verdict;
    this.enqueue(delivery);
    this.flushSoon();
  }

  /** Sends every verdict that the hub has not answered: for a connection that holds the same leases. */
  resume(owners: Iterable<DeliveryOwner>): void {
    this.reset();
    for (const { deliveries } of owners) {
      for (const delivery of deliveries.values()) {
        delivery.queued = false;
        if (delivery.state === "settling") this.enqueue(delivery);
      }
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
    const limits = this.connection.welcome?.limits;
    while (
      limits &&
      this.connection.connected &&
      this.line.length > 0 &&
      this.packetsInFlight < MAX_PACKETS_IN_FLIGHT
    ) {
      void this.send(this.takeBatch(limits));
    }
  };

  /** The next deliveries that share a verdict; mostly all are acks. Those that were revoked meanwhile fall out. */
  private takeBatch(limits: Limits): Delivery[] {
    const batch: Delivery[] = [];
    const rest: Delivery[] = [];
    let room: PacketRoom | undefined;
    for (const delivery of this.line) {
      if (!delivery.isKnown) continue;
      const { verdict, owner } = batch[0] ?? delivery;
      room ??= new PacketRoom(limits, sharedLength(verdict));
      const joins = sameVerdict(delivery.verdict, verdict) && room.take(lengthOf(delivery, owner.queue));
      (joins ? batch : rest).push(delivery);
    }
    this.line = rest;
    for (const delivery of batch) delivery.queued = false;
    return batch;
  }

  private async send(batch: readonly Delivery[]): Promise<void> {
    if (batch.length === 0) return;
    const verdict = batch[0]?.verdict;
    const queue = batch[0]?.owner.queue;
    const deliveries = batch.map((delivery) => refOf(delivery, queue));
    this.packetsInFlight++;
    let reply: SettleReply | undefined;
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
      if (delivery) this.answered(delivery, deliveries[index]?.attempt, settleErrorAt(reply, index));
    }
    this.flushSoon();
  }

  private answered(delivery: Delivery, attempt: number | undefined, error: WireError | undefined): void {
    if (!delivery.isKnown) return;
    // Given again meanwhile: the word on the newer attempt is still to come.
    if (delivery.attempt !== attempt) return;
    if (error === undefined) {
      this.refusals = 0;
      delivery.owner.settled(delivery);
      return;
    }
    if (isRetryable(error)) {
      this.retryLater(delivery);
      return;
    }
    const plain = error.code === "INVALID" ? plainNack(delivery.verdict) : undefined;
    if (plain === undefined) delivery.owner.lost(delivery, error.message);
    // Better tried again as the hub sees fit than out until its lease ends.
    else this.settle(delivery, plain);
    if (error.code !== "LEASE_LOST") delivery.owner.refused({ event: nameOf(delivery.verdict), error });
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

/** @param queue the request's, which a delivery of it does not name once more. */
function refOf({ id, attempt, owner }: Delivery, queue: string | undefined): SettleRef {
  return owner.queue === queue ? { id, attempt } : { id, attempt, queue: owner.queue };
}

/** Characters of its `refOf`. */
function lengthOf({ id, owner }: Delivery, queue: string): number {
  return owner.queue === queue ? refLength(id) : refLength(id, owner.queue);
}

/** Of what a request says once for all its deliveries, only the reason may be long: what JSON must escape in it counts twice. */
function sharedLength(verdict: Verdict | undefined): number {
  return typeof verdict === "object" ? 2 * (verdict.reason?.length ?? 0) : 0;
}

/** A nack without a say in what becomes of the message, in the place of one that has it. */
function plainNack(verdict: Verdict | undefined): NackOptions | undefined {
  if (typeof verdict !== "object") return undefined;
  const { delayMs, dead, release, reason } = verdict;
  return (delayMs ?? dead ?? release) === undefined ? undefined : { reason };
}

function nameOf(verdict: Verdict | undefined): "ack" | "nack" {
  return typeof verdict === "object" ? "nack" : "ack";
}

function sameVerdict(a: Verdict | undefined, b: Verdict | undefined): boolean {
  if (typeof a !== "object" || typeof b !== "object") return a === b;
  return a.delayMs === b.delayMs && a.reason === b.reason && a.dead === b.dead && a.release === b.release;
}
