import { StockClient } from "../support/stock-client";
import type { Given } from "./caps-bench";

export type Reply = { ok: boolean; error?: { code: string; message: string; retryable: boolean } } & Record<
  string,
  unknown
>;

/** A stock client on `/caps`, with the few words that a vendor or a driver needs. */
export class ParcelClient extends StockClient {
  /** What it was given of parcels, in order. */
  readonly given: Given[] = [];
  private readonly lookers = new Set<() => void>();

  constructor(url: string, auth: Record<string, string> = {}) {
    super(url, { namespace: "/caps", auth });
    for (const event of ["pickup", "in-transit", "delivered"]) {
      this.socket.on(event, (payload: Given) => {
        this.given.push(payload);
        for (const look of [...this.lookers]) look();
      });
    }
  }

  /** Sends a request and resolves with its reply. */
  ask(event: string, ...argument: unknown[]): Promise<Reply> {
    return this.request<Reply>(event, ...argument);
  }

  /** Resolves with all that it was given of an event, once that is `count` things. */
  of(event: string, count: number): Promise<Given[]> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.given.filter((payload) => payload.event === event);
        if (found.length < count) return;
        this.lookers.delete(look);
        resolve(found);
      };
      this.lookers.add(look);
      look();
    });
  }
}
