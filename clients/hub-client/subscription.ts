import type { WireError } from "../../src/protocol/errors";
import type { ConsumeReply, Reply, Welcome } from "../../src/protocol/wire";
import { backoffDelay, RETRY_BACKOFF } from "./backoff";
import type { Connection } from "./connection";
import { isRetryable } from "./wire-guards";

/** Where a client stands with the hub about one queue: what it has asked for, and has had answered. */
export class Subscription {
  private open = false;

  constructor(
    private readonly connection: Connection,
    private readonly queue: string,
    private readonly exclusive: boolean | undefined,
  ) {}

  /**
   * Whether the hub may still deal to this client, or hold for its session what it has dealt: from the first `consume`
   * until a `cancel` is answered, also while the connection is away.
   */
  get isOpen(): boolean {
    return this.open;
  }

  /** The session is gone, and with it what the hub held for it. */
  forget(): void {
    this.open = false;
  }

  /**
   * Consumes on this connection.
   *
   * @param isWanted asked before each try.
   * @returns the hub's last word; undefined where the connection went first, or it was not wanted any more.
   */
  async consume(welcome: Welcome, prefetch: number, isWanted: () => boolean): Promise<ConsumeReply | undefined> {
    const { queue, exclusive } = this;
    const request = { queue, prefetch: Math.min(prefetch, welcome.limits.maxPrefetch), exclusive };
    const reply = await this.untilAnswered(welcome, isWanted, () => {
      this.open = true;
      return this.connection.request("consume", request);
    });
    if (reply?.ok === false) this.open = false;
    return reply;
  }

  /** Cancels, where there is something to cancel. @returns why the hub refuses; the connection may also go before the answer. */
  async cancel(): Promise<WireError | undefined> {
    const { welcome } = this.connection;
    if (welcome === undefined) return undefined;
    const isWanted = (): boolean => this.open;
    const ask = () => this.connection.request("cancel", { queue: this.queue });
    const reply = await this.untilAnswered(welcome, isWanted, ask);
    if (reply !== undefined) this.open = false;
    return reply?.ok === false ? reply.error : undefined;
  }

  /** Asks again after a while what was refused for now. */
  private async untilAnswered<Answer extends Reply<object>>(
    welcome: Welcome,
    isWanted: () => boolean,
    ask: () => Promise<Answer>,
  ): Promise<Answer | undefined> {
    for (let refusals = 0; isWanted() && this.connection.welcome === welcome;) {
      try {
        const reply = await ask();
        if (reply.ok || !isRetryable(reply.error)) return reply;
      } catch {
        // The connection is lost: what is to be asked on the next one, its welcome decides.
        return undefined;
      }
      const delayMs = backoffDelay(++refusals, RETRY_BACKOFF);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
    return undefined;
  }
}
