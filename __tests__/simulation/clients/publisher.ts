import type { PublishMessage } from "../../../src/protocol/wire";
import { publishResults, type Role, type SimClient } from "./sim-client";

/** What a publisher publishes, and how. */
export interface PublisherHabits {
  readonly targets: readonly Pick<PublishMessage, "queue" | "room" | "client">[];
  /** Milliseconds between batches, on average. */
  readonly paceMs: number;
  readonly maxBatch: number;
  readonly groups: readonly string[];
  /** How often a message has a group, a priority, a delay, a time to be delivered at, a time to live. */
  readonly grouped: number;
  readonly prioritized: number;
  readonly delayed: number;
  readonly dated: number;
  readonly mortal: number;
  readonly maxDelayMs: number;
  readonly maxTtlMs: number;
  /** How often it publishes once more what is confirmed, and gives up on what was refused. */
  readonly repeats: number;
  readonly givesUp: number;
  /** Batches in all. */
  readonly batches: number;
  readonly payloadBytes: number;
}

const PRIORITIES = [0, 4, 7, 9] as const;
const RETRY_MS = 150;

/** Publishes on and on, and sends again, with the same ids, what was not confirmed. */
export class Publisher implements Role {
  private readonly unconfirmed = new Map<string, PublishMessage>();
  private readonly confirmed: PublishMessage[] = [];
  private last = 0;
  private batchesLeft: number;

  constructor(
    private readonly client: SimClient,
    private readonly habits: PublisherHabits,
  ) {
    this.batchesLeft = habits.batches;
    client.role = this;
    this.goOn();
    this.tryAgain();
  }

  /** All that it has asked for is confirmed, or given up. */
  get isDone(): boolean {
    return this.unconfirmed.size === 0 && (this.batchesLeft === 0 || this.client.shore.healing);
  }

  connected(): void {}
  delivered(): void {}
  revoked(): void {}
  disconnected(): void {}

  private goOn(): void {
    const { client, habits } = this;
    if (client.shore.healing || this.batchesLeft === 0) return;
    this.batchesLeft--;
    const messages = Array.from({ length: client.random.int(1, habits.maxBatch) }, () => this.newMessage());
    for (const message of messages) this.unconfirmed.set(message.id ?? "", message);
    void this.publish(messages);
    const again = this.confirmed.length > 0 && client.random.chance(habits.repeats);
    if (again) void this.publish([client.random.pick(this.confirmed)]);
    client.shore.clock.after(habits.paceMs * client.random.between(0.2, 1.8), () => this.goOn());
  }

  /** What is unconfirmed for whatever reason goes out once more, also while the first answer may still be coming. */
  private tryAgain(): void {
    const { client } = this;
    const waiting = [...this.unconfirmed.values()];
    const size = client.random.int(1, 8);
    for (let at = 0; at < waiting.length && client.random.chance(0.9); at += size) {
      void this.publish(waiting.slice(at, at + size));
    }
    if (client.shore.healing && this.isDone) return;
    client.shore.clock.after(RETRY_MS * client.random.between(0.5, 8), () => this.tryAgain());
  }

  private async publish(messages: readonly PublishMessage[]): Promise<void> {
    const { client, habits } = this;
    if (!client.isConnected) return;
    const answer = await client.ask("publish", { messages });
    if (!answer?.ok) return;
    for (const [index, result] of publishResults(answer).entries()) {
      const message = messages[index];
      if (message?.id === undefined) continue;
      if ("error" in result) {
        if (client.random.chance(habits.givesUp)) this.unconfirmed.delete(message.id);
      } else if (this.unconfirmed.delete(message.id)) {
        this.confirmed.push(message);
      }
    }
  }

  /** A delay, a time of day, or none. */
  private dueTime(): Pick<PublishMessage, "delayMs" | "deliverAt"> {
    const { client, habits } = this;
    const delayMs = client.random.int(1, habits.maxDelayMs);
    if (client.random.chance(habits.delayed)) return { delayMs };
    if (!client.random.chance(habits.dated)) return {};
    return { deliverAt: new Date(client.shore.clock.now() + delayMs).toISOString() };
  }

  private newMessage(): PublishMessage {
    const { client, habits } = this;
    const { random } = client;
    const id = `${client.name}-${++this.last}`;
    return {
      ...random.pick(habits.targets),
      id,
      event: `event-of-${id}`,
      payload: { of: id, filling: "x".repeat(random.int(0, habits.payloadBytes)) },
      ...(random.chance(habits.grouped) && { group: random.pick(habits.groups) }),
      ...(random.chance(habits.prioritized) && { priority: random.pick(PRIORITIES) }),
      ...this.dueTime(),
      ...(random.chance(habits.mortal) && { ttlMs: random.int(1, habits.maxTtlMs) }),
    };
  }
}
