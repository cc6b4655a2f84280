import type { ConsumeReply, Deliver, PublishReply } from "../../src/protocol/wire";
import { StockClient } from "../support/stock-client";

const QUEUE = "steady";

/**
 * A client that does everything right, all the time: publishes one message, is delivered it, acks it, publishes the next.
 * Whatever is not as it should be, it keeps for the test to see.
 */
export class SteadyClient {
  readonly oddities: string[] = [];
  private handled = 0;
  private published = 0;
  private going = true;
  private turn: Promise<void> = Promise.resolve();
  private readonly client: StockClient;

  private constructor(url: string, auth: Record<string, string>) {
    this.client = new StockClient(url, { auth });
    this.client.socket.onAny((event: string, argument: unknown) => {
      if (event === "refused" || event === "revoked" || event === "drain") this.odd(event, argument);
    });
    this.client.socket.on("disconnect", (reason) => this.going && this.odd("disconnect", reason));
  }

  static async connect(url: string, auth: Record<string, string>): Promise<SteadyClient> {
    const steady = new SteadyClient(url, auth);
    await steady.client.next("welcome");
    const reply = await steady.client.request<ConsumeReply>("consume", { queue: QUEUE });
    if (!reply.ok) throw new Error(reply.error.message);
    steady.resume();
    return steady;
  }

  /** Goes on, after a `pause`. */
  resume(): void {
    this.going = true;
    this.turn = this.work();
  }

  /** Finishes what it is at. */
  async pause(): Promise<void> {
    this.going = false;
    await this.turn;
  }

  async stop(): Promise<{ handled: number; oddities: readonly string[] }> {
    await this.pause();
    return { handled: this.handled, oddities: this.oddities };
  }

  close(): void {
    this.client.close();
  }

  private async work(): Promise<void> {
    try {
      while (this.going) await this.handleOne();
    } catch (error) {
      this.odd("failed", String(error));
    }
  }

  private async handleOne(): Promise<void> {
    const id = `steady-${++this.published}`;
    const stored = await this.client.request<PublishReply>("publish", { id, queue: QUEUE, event: "tick" });
    if (!stored.ok) return this.odd("publish", stored.error);
    const { messages } = await this.client.next<Deliver>("deliver");
    const [message] = messages;
    if (messages.length !== 1 || message?.id !== id || message.attempt !== 1) return this.odd("deliver", messages);
    const deliveries = [{ id, attempt: 1 }];
    const acked = await this.client.request<{ results?: { status?: string }[] }>("ack", { queue: QUEUE, deliveries });
    if (acked.results?.[0]?.status !== "acked") return this.odd("ack", acked);
    this.handled++;
    // Its memory of events would grow with every message.
    this.client.received.length = 0;
  }

  private odd(what: string, detail: unknown): void {
    this.oddities.push(`${what}: ${JSON.stringify(detail)}`);
  }
}
