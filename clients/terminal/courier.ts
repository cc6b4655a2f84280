import { reasonOf, WaybillError, type ErrorCode } from "../../src/protocol/errors";
import { Nack, type DeliveryControl, type HubClient, type ReceivedMessage } from "../hub-client";
import { progressMessage, readOrder, type Order } from "./order";
import type { Pace } from "./pace";
import { shown } from "./screen";
import type { Slots } from "./slots";
import type { Say } from "./say";

export interface DriverTally {
  readonly taken: number;
  readonly delivered: number;
  /** Given back by this driver. */
  readonly failed: number;
  /** Taken, but the lease went before they were delivered: the hub gives them out again. */
  readonly lost: number;
  /** Taken, and neither delivered nor given back. */
  readonly inHand: number;
}

export function describeDriverTally({ taken, delivered, failed, lost, inHand }: DriverTally): string {
  const parts = [`taken ${taken}`, `delivered ${delivered}`, `failed ${failed}`];
  if (lost > 0) parts.push(`lost to others ${lost}`);
  if (inHand > 0) parts.push(`still in hand ${inHand}`);
  return parts.join(", ");
}

/** Refusals of the news that no driver will get around: the shop's name, say, is none that the hub takes. */
const HOPELESS: ReadonlySet<ErrorCode> = new Set(["INVALID", "TOO_LARGE"]);

interface Trip {
  readonly order: Order;
  readonly pickup: ReceivedMessage;
  pickedUp: boolean;
}

/** Carries parcels: from the offer to the shop's `delivered`, and only then acks the `pickup`. */
export class Courier {
  private taken = 0;
  private delivered = 0;
  private failed = 0;
  private lost = 0;
  private inHand = 0;
  private readonly home = new AbortController();

  constructor(
    private readonly client: HubClient,
    private readonly driver: string,
    private readonly pace: Pace,
    private readonly slots: Slots,
    private readonly say: Say,
    private readonly onForbidden: (error: WaybillError) => void,
  ) {}

  /** Handler of both queues that a driver consumes. Returning acks the `pickup`, throwing gives it back. */
  readonly carry = async (message: ReceivedMessage, { signal }: DeliveryControl): Promise<void> => {
    const order = message.event === "pickup" ? readOrder(message.payload) : undefined;
    if (order === undefined) {
      this.failed++;
      this.say(`${shown(message.id)} (event ${shown(message.event)}) is not an order: made a dead letter`, "bad");
      throw new Nack({ dead: true, reason: "This is not a pickup with an order in it." });
    }
    const trip: Trip = { order, pickup: message, pickedUp: false };
    const leave = await this.untilFree(signal);
    try {
      await this.deliver(trip, signal);
    } catch (error) {
      throw this.giveBack(trip, error, signal);
    } finally {
      leave();
    }
  };

  /** Picks up nothing more: what is not in hand goes back at once, to whoever is next, and counts as no failure. */
  goHome(): void {
    this.home.abort();
  }

  tally(): DriverTally {
    const { taken, delivered, failed, lost, inHand } = this;
    return { taken, delivered, failed, lost, inHand };
  }

  /** @returns what makes room for the next. @throws Nack when the driver goes home first: the parcel was never looked at. */
  private async untilFree(signal: AbortSignal): Promise<() => void> {
    try {
      return await this.slots.take(AbortSignal.any([signal, this.home.signal]));
    } catch (error) {
      throw this.home.signal.aborted ? new Nack({ release: true }) : error;
    }
  }

  private async deliver(trip: Trip, signal: AbortSignal): Promise<void> {
    const { order, pickup } = trip;
    const orderId = shown(order.orderId);
    await this.pace.untilPickedUp(order, AbortSignal.any([signal, this.home.signal]));
    trip.pickedUp = true;
    this.taken++;
    this.inHand++;
    this.say(`picked up ${orderId}${pickup.redelivered ? " (given out before)" : ""}`);
    // The parcel is on its way whether the hub is there to be told or not. What has happened to it is told in any case,
    // whoever is to carry it from now on; only a hub that will not hear it ends the trip.
    const refused = new AbortController();
    const told = this.client
      .publish(progressMessage(pickup.id, order, "in-transit", this.driver))
      .catch((error: unknown) => {
        refused.abort(error);
        throw error;
      });
    await Promise.all([told, this.pace.untilDelivered(order, AbortSignal.any([signal, refused.signal]))]);
    const { status } = await this.client.publish(progressMessage(pickup.id, order, "delivered", this.driver));
    this.delivered++;
    this.inHand--;
    this.say(`delivered ${orderId}${status === "duplicate" ? " (its shop knew already)" : ""}`, "good");
  }

  /** Accounts for a trip that did not end well. @returns what the hub is to hear of it. */
  private giveBack({ order, pickedUp }: Trip, error: unknown, signal: AbortSignal): unknown {
    // Stopped in mid-trip: the parcel is still in hand, and the hub gives it to another when the lease ends.
    if (this.client.state === "closed") return error;
    if (pickedUp) this.inHand--;
    const orderId = shown(order.orderId);
    if (signal.aborted) {
      if (pickedUp) this.lost++;
      this.say(`no longer mine: ${orderId} (${reasonOf(signal.reason)})`, "bad");
      return error;
    }
    if (!pickedUp && this.home.signal.aborted) {
      this.say(`gave back ${orderId}: driver ${this.driver} went home`);
      return new Nack({ release: true });
    }
    this.failed++;
    this.say(`gave back ${orderId}: ${shown(reasonOf(error))}`, "bad");
    if (!(error instanceof WaybillError)) return error;
    if (error.code === "FORBIDDEN") this.onForbidden(error);
    return HOPELESS.has(error.code) ? new Nack({ dead: true, reason: error.message }) : error;
  }
}
