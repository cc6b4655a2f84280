import { toWireError, type WireError } from "../../src/protocol/errors";
import type { ConsumeReply, Reply, Welcome } from "../../src/protocol/wire";
import { backoffDelay, RETRY_BACKOFF } from "./backoff";
import { ConnectionLost, type Connection } from "./connection";
import { isRetryable } from "./wire-guards";

/** Where a client stands with the hub about one queue: what it has asked for, and has had answered. */
export class Subscription {
  private open = false;
  /** On which connection the hub has last taken it on. */
  private takenOn: Welcome | undefined;

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

  /** Whether the hub has taken it on, on this connection. */
  isTakenOn(welcome: Welcome): boolean {
    return this.takenOn === welcome;
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
    if (reply?.ok === true) this.takenOn = welcome;
    else if (reply !== undefined) this.open = false;
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
  private async untilAnswered<Body extends object>(
    welcome: Welcome,
    isWanted: () => boolean,
    ask: () => Promise<Reply<Body>>,
  ): Promise<Reply<Body> | undefined> {
    for (let refusals = 0; isWanted() && this.connection.welcome === welcome;) {
      try {
        const reply = await ask();
        if (reply.ok || !isRetryable(reply.error)) return reply;
      } catch (error) {
        // What is to be asked on the next connection, its welcome decides.
        if (error instanceof ConnectionLost) return undefined;
        return { ok: false, error: toWireError(error) };
      }
      const delayMs = backoffDelay(++refusals, RETRY_BACKOFF);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
    return undefined;
  }
}
