import { setTimeout as wait } from "node:timers/promises";
import { Nack } from "../hub-client";
import type { Order } from "./order";

/** What decides when a driver takes the next step with a parcel. Both reject when the signal aborts. */
export interface Pace {
  untilPickedUp(order: Order, signal: AbortSignal): Promise<void>;
  untilDelivered(order: Order, signal: AbortSignal): Promise<void>;
}

/** Steps that take their time, in milliseconds. */
export function timedPace(workMs: number, transitMs: number): Pace {
  return {
    untilPickedUp: (_order, signal) => wait(workMs, undefined, { signal }),
    untilDelivered: (_order, signal) => wait(transitMs, undefined, { signal }),
  };
}

type Step = "take" | "deliver";

interface Pending {
  readonly step: Step;
  readonly order: Order;
  readonly done: () => void;
  readonly fail: (error: Error) => void;
}

/** Steps that are typed by hand: each waits until someone says so. */
export class ManualPace implements Pace {
  private readonly pending: Pending[] = [];
  private ended: Nack | undefined;

  constructor(private readonly onOffer: (order: Order) => void) {}

  untilPickedUp(order: Order, signal: AbortSignal): Promise<void> {
    const picked = this.untilTyped("take", order, signal);
    if (this.ended === undefined) this.onOffer(order);
    return picked;
  }

  untilDelivered(order: Order, signal: AbortSignal): Promise<void> {
    return this.untilTyped("deliver", order, signal);
  }

  /** Takes this step with the parcel that has waited for it longest. @returns false when none does. */
  step(step: Step): boolean {
    const pending = this.pending.find((candidate) => candidate.step === step);
    pending?.done();
    return pending !== undefined;
  }

  /** Gives back the parcel in hand, or else the one that was offered first. @returns false when there is none. */
  fail(reason: string): boolean {
    const pending = this.pending.find(({ step }) => step === "deliver") ?? this.pending[0];
    pending?.fail(new Nack({ reason }));
    return pending !== undefined;
  }

  /** Gives everything back, to be offered to others at once, and whatever may still come. */
  end(reason: string): void {
    this.ended = new Nack({ reason, delayMs: 0 });
    for (const pending of [...this.pending]) pending.fail(this.ended);
  }

  private untilTyped(step: Step, order: Order, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      if (this.ended) throw this.ended;
      const leave = (): void => {
        this.pending.splice(this.pending.indexOf(pending), 1);
        signal.removeEventListener("abort", abandon);
      };
      const pending: Pending = {
        step,
        order,
        done: () => {
          leave();
          resolve();
        },
        fail: (error) => {
          leave();
          reject(error);
        },
      };
      const abandon = (): void => pending.fail(new Error("Waiting for a command was ended.", { cause: signal.reason }));
      signal.addEventListener("abort", abandon, { once: true });
      this.pending.push(pending);
    });
  }
}
