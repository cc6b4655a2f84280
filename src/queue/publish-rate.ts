import { WaybillError } from "../protocol/errors";
import type { Clock } from "./clock";

/** What a client may still publish at once, as of a moment of the steady clock. Below zero after a batch larger than a second's worth. */
interface Bucket {
  messages: number;
  at: number;
}

/** Clients looked at before those that have been quiet for a while are forgotten. */
const SWEEP_AT = 1_024;

/** Holds each client to so many messages a second, with a second's worth at once for those that were quiet before. */
export class PublishRate {
  /** Only of clients that have not all of their second's worth: a full bucket is as good as none. */
  private readonly buckets = new Map<string, Bucket>();
  private sweepAt = SWEEP_AT;

  /** @param perSecond messages of one client; 0: as many as it likes. */
  constructor(
    private readonly perSecond: number,
    private readonly clock: Pick<Clock, "steady">,
  ) {}

  /** Clients that are remembered. */
  get size(): number {
    return this.buckets.size;
  }

  /**
   * Takes messages into account, all or none. A batch larger than a second's worth is let through when nothing was
   * published in the last second, and is paid for by a longer wait after it: refused for ever, it would help nobody.
   *
   * @throws WaybillError `RATE_LIMITED`, with the milliseconds to wait.
   */
  take(clientId: string, messages: number): void {
    if (this.perSecond === 0) return;
    // Not the time of day: set back by an hour, it would hold everybody up for as long.
    const now = this.clock.steady();
    const left = this.leftIn(this.buckets.get(clientId), now);
    const missing = Math.min(messages, this.perSecond) - left;
    if (missing > 0) {
      const waitMs = Math.ceil((missing / this.perSecond) * 1_000);
      throw new WaybillError(
        "RATE_LIMITED",
        `${clientId} may publish ${this.perSecond} messages a second: publish again in ${waitMs} ms.`,
      );
    }
    this.buckets.set(clientId, { messages: left - messages, at: now });
    if (this.buckets.size >= this.sweepAt) this.sweep(now);
  }

  private leftIn(bucket: Bucket | undefined, now: number): number {
    if (bucket === undefined) return this.perSecond;
    return Math.min(this.perSecond, bucket.messages + ((now - bucket.at) / 1_000) * this.perSecond);
  }

  private sweep(now: number): void {
    for (const [clientId, bucket] of this.buckets) {
      if (this.leftIn(bucket, now) >= this.perSecond) this.buckets.delete(clientId);
    }
    this.sweepAt = Math.max(SWEEP_AT, this.buckets.size * 2);
  }
}
