import { WaybillError } from "../../src/protocol/errors";
import { ConnectionLost, type Connection } from "./connection";
import type { Delivery, DeliveryOwner } from "./delivery";
import { inPackets, refLength } from "./packet-room";
import { settleErrorAt } from "./wire-guards";

/** Milliseconds between two looks at the leases, at least. */
const MIN_TICK_MS = 10;
/** Milliseconds before an extension that was not answered is asked for again, at least. */
const MIN_RETRY_MS = 250;
/**
 * Leases are asked for in whole seconds. What the hub gives are rests of leases, each another number of milliseconds;
 * rounded up they travel in one request, and none is below the second that the hub grants at least.
 */
const LEASE_STEP_MS = 1_000;

/** Extends the leases of what is still being worked on, at about half of each, with one timer for the whole client. */
export class LeaseKeeper {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private timerAt = Infinity;

  constructor(
    private readonly connection: Connection,
    private readonly owners: () => Iterable<DeliveryOwner>,
  ) {}

  /** A lease is to be looked at then, on the monotonic clock. */
  expect(atMs: number): void {
    if (atMs >= this.timerAt) return;
    clearTimeout(this.timer);
    this.timerAt = atMs;
    this.timer = setTimeout(() => this.look(), Math.max(MIN_TICK_MS, atMs - performance.now()));
  }

  /** Looks at all leases now: a connection has come back, and some may be overdue. */
  look(): void {
    this.stop();
    const now = performance.now();
    let nextMs = Infinity;
    for (const owner of this.owners()) nextMs = Math.min(nextMs, this.lookAt(owner, now));
    if (nextMs < Infinity) this.expect(nextMs);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timerAt = Infinity;
  }

  /**
   * Extends the lease of one delivery.
   *
   * @throws WaybillError, as `DeliveryControl.extend` says.
   */
  async extend(delivery: Delivery, leaseMs: number): Promise<void> {
    if (!(Number.isFinite(leaseMs) && leaseMs >= 1)) {
      throw new WaybillError("INVALID", "leaseMs must be a number of at least 1.");
    }
    if (delivery.lostBy !== undefined) throw new WaybillError("LEASE_LOST", delivery.lostBy);
    const [error] = await this.request(delivery.owner, [delivery], leaseMs);
    if (error) throw error;
    delivery.leaseMs = leaseMs;
    // It may be shorter than the one before, for which the next look was set.
    this.expect(delivery.extendAt);
  }

  /** @returns when to look at these again. */
  private lookAt(owner: DeliveryOwner, now: number): number {
    const dueByLease = new Map<number, Delivery[]>();
    let nextMs = Infinity;
    for (const delivery of owner.deliveries.values()) {
      if (delivery.lostBy !== undefined || typeof delivery.verdict === "object") continue;
      if (!this.connection.connected) {
        if (delivery.leaseEndsAt <= now) delivery.abort("The lease ran out while the hub could not be reached.");
        else nextMs = Math.min(nextMs, delivery.leaseEndsAt);
        continue;
      }
      // What is due soon goes along: one request a look, not one a delivery.
      const leftMs = delivery.leaseEndsAt - now;
      if (delivery.extendAt - now <= leftMs / 4) {
        const leaseMs = Math.max(1, Math.ceil(delivery.leaseMs / LEASE_STEP_MS)) * LEASE_STEP_MS;
        const due = dueByLease.get(leaseMs);
        if (due) due.push(delivery);
        else dueByLease.set(leaseMs, [delivery]);
        // Asked once more before the lease ends, unless the hub's answer moves it.
        delivery.extendAt = now + Math.max(leftMs / 2, MIN_RETRY_MS);
      }
      nextMs = Math.min(nextMs, delivery.extendAt);
    }
    const limits = this.connection.welcome?.limits;
    if (limits === undefined) return nextMs;
    for (const [leaseMs, due] of dueByLease) {
      for (const packet of inPackets(due, limits, ({ id }) => refLength(id))) {
        void this.request(owner, packet, leaseMs);
      }
    }
    return nextMs;
  }

  /** @returns for each delivery what went wrong, or undefined. */
  private async request(
    owner: DeliveryOwner,
    deliveries: readonly Delivery[],
    leaseMs: number,
  ): Promise<(WaybillError | undefined)[]> {
    const asked = performance.now();
    const refs = deliveries.map(({ id, attempt }) => ({ id, attempt }));
    try {
      const reply = await this.connection.request("extend", { queue: owner.queue, deliveries: refs, leaseMs });
      return deliveries.map((delivery, index) => {
        const refusal = settleErrorAt(reply, index);
        const error = refusal && WaybillError.fromWire(refusal);
        if (error === undefined) delivery.leasedFrom(asked, leaseMs);
        // Not where it was given again meanwhile: that attempt's lease is another one.
        else if (error.code === "LEASE_LOST" && delivery.attempt === refs[index]?.attempt) {
          owner.lost(delivery, error.message);
        }
        return error;
      });
    } catch (error) {
      const cause = error instanceof ConnectionLost ? "the connection was lost" : "the request could not be sent";
      return deliveries.map(
        () => new WaybillError("DRAINING", `The lease was not extended: ${cause}.`, { cause: error }),
      );
    }
  }
}
