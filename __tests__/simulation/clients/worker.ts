import type { DeliveredMessage, DeliveryRef, Revoked } from "../../../src/protocol/wire";
import { settleResults, type Role, type SimClient } from "./sim-client";

/** How a worker treats what it is given. */
export interface WorkerHabits {
  readonly queues: readonly string[];
  readonly prefetch: number;
  /** Milliseconds of work for one delivery, on average. */
  readonly workMs: number;
  readonly leaseMs: number;
  /** Weights of what it does with a delivery. */
  readonly acks: number;
  readonly nacks: number;
  readonly kills: number;
  readonly extends: number;
  /** Keeps it past its lease, and then acks all the same. */
  readonly stalls: number;
  /** Does nothing with it at all. */
  readonly forgets: number;
  /** How often it asks to be a queue's only consumer. */
  readonly exclusive: number;
  /** How often, after a delivery, it changes its prefetch, cancels for a while, leaves, or says an ack twice. */
  readonly fickle: number;
  /** How often it tries to settle what is not its to settle. */
  readonly meddles: number;
}

/** A delivery that somebody was given, to be meddled with. */
export interface Seen extends DeliveryRef {
  readonly queue: string;
}

/** Deliveries that anybody was given of late. */
export class Gossip {
  private readonly seen: Seen[] = [];

  tell(queue: string, messages: readonly DeliveredMessage[]): void {
    for (const { id, attempt } of messages) this.seen.push({ queue, id, attempt });
    if (this.seen.length > 200) this.seen.splice(0, 100);
  }

  hear(pick: (all: readonly Seen[]) => Seen): Seen | undefined {
    return this.seen.length === 0 ? undefined : pick(this.seen);
  }
}

const FICKLE_PAUSE_MS = 800;

/** Consumes queues and settles what comes, mostly. Once all is healing, it acks everything. */
export class Worker implements Role {
  private readonly held = new Map<string, DeliveryRef & { readonly queue: string }>();

  constructor(
    private readonly client: SimClient,
    private readonly habits: WorkerHabits,
    private readonly gossip: Gossip,
  ) {
    client.role = this;
  }

  connected(resumed: boolean): void {
    if (!resumed) this.held.clear();
    for (const queue of this.habits.queues) void this.consume(queue, this.habits.prefetch);
  }

  delivered(queue: string, messages: readonly DeliveredMessage[]): void {
    this.gossip.tell(queue, messages);
    for (const { id, attempt } of messages) this.handle({ queue, id, attempt });
  }

  revoked({ queue, deliveries }: Revoked): void {
    for (const { id, attempt } of deliveries) this.held.delete(keyOf({ queue, id, attempt }));
  }

  disconnected(): void {}

  /** Consumes all queues once more, in case that it had cancelled one. */
  heal(): void {
    if (!this.client.isConnected) return;
    for (const queue of this.habits.queues) void this.consume(queue, this.habits.prefetch);
  }

  private async consume(queue: string, prefetch: number): Promise<void> {
    const exclusive = this.client.random.chance(this.habits.exclusive);
    const answer = await this.client.ask("consume", { queue, prefetch, ...(exclusive && { exclusive }) });
    if (answer?.ok || !this.client.isConnected) return;
    // Refused, or lost: it is asked for again, since a delivery may depend on it.
    this.client.shore.clock.after(FICKLE_PAUSE_MS, () => {
      if (this.client.isConnected) void this.consume(queue, prefetch);
    });
  }

  private handle(delivery: Seen): void {
    const { client, habits } = this;
    const { random } = client;
    // The same delivery once more, after a cut: the work on it is under way.
    if (this.held.has(keyOf(delivery)) && random.chance(0.8)) return;
    this.held.set(keyOf(delivery), delivery);
    const workMs = habits.workMs * -Math.log(1 - random.next());
    const act = (): void => this.act(delivery);
    client.shore.clock.after(client.shore.healing ? workMs / 10 : workMs, act);
  }

  private act(delivery: Seen): void {
    const { client, habits } = this;
    const { random, shore } = client;
    if (shore.healing) return void this.ack(delivery);
    const act = random.weigh<() => void>([
      [habits.acks, () => void this.ack(delivery)],
      [habits.nacks, () => void this.nack(delivery, random.chance(0.5) ? { delayMs: random.int(0, 1_500) } : {})],
      [habits.kills, () => void this.nack(delivery, { dead: true, reason: "the simulation says so" })],
      [habits.extends, () => void this.extend(delivery)],
      [habits.stalls, () => this.ackLate(delivery)],
      [habits.forgets, () => {}],
    ]);
    act();
    if (random.chance(habits.fickle)) this.beFickle(delivery);
    if (random.chance(habits.meddles)) this.meddle();
  }

  private async ack(delivery: Seen): Promise<void> {
    const { client } = this;
    if (!client.isConnected) return;
    // Together with others that it has in hand, now and then.
    const others = [...this.held.values()].filter((each) => each.queue === delivery.queue && each !== delivery);
    const more = client.shore.healing || client.random.chance(0.2) ? others.slice(0, client.random.int(0, 20)) : [];
    const deliveries = [delivery, ...more].map(({ id, attempt }) => ({ id, attempt }));
    const answer = await client.ask("ack", { queue: delivery.queue, deliveries });
    if (!answer?.ok) {
      // Stored or not, nobody knows: said again on the same connection it is answered all the same.
      client.shore.clock.after(300, () => {
        if (client.isConnected && this.held.has(keyOf(delivery))) void this.ack(delivery);
      });
      return;
    }
    for (const { id } of settleResults(answer)) {
      const ref = deliveries.find((each) => each.id === id);
      if (ref) this.held.delete(keyOf({ queue: delivery.queue, ...ref }));
    }
  }

  private ackLate(delivery: Seen): void {
    const { client, habits } = this;
    client.shore.clock.after(habits.leaseMs * client.random.between(0.8, 1.5), () => void this.ack(delivery));
  }

  private async nack(delivery: Seen, how: Readonly<Record<string, unknown>>): Promise<void> {
    const { queue, id, attempt } = delivery;
    if (!this.client.isConnected) return;
    this.held.delete(keyOf(delivery));
    await this.client.ask("nack", { queue, deliveries: [{ id, attempt }], ...how });
  }

  private async extend(delivery: Seen): Promise<void> {
    const { client, habits } = this;
    const { queue, id, attempt } = delivery;
    const leaseMs = Math.round(client.random.between(1_000, 1_000 + habits.leaseMs));
    await client.ask("extend", { queue, deliveries: [{ id, attempt }], leaseMs });
    const workMs = leaseMs * client.random.between(0.2, 1.2);
    client.shore.clock.after(workMs, () => void this.ack(delivery));
  }

  private beFickle(delivery: Seen): void {
    const { client, habits } = this;
    const { random, shore } = client;
    const { queue } = delivery;
    switch (random.int(0, 3)) {
      case 0:
        void this.consume(queue, random.int(1, habits.prefetch * 2));
        return;
      case 1:
        void client.ask("cancel", { queue });
        shore.clock.after(FICKLE_PAUSE_MS * random.between(0, 2), () => {
          if (client.isConnected) void this.consume(queue, habits.prefetch);
        });
        return;
      case 2:
        client.disconnect();
        return;
      case 3:
        void this.ack(delivery);
        void this.ack(delivery);
        return;
    }
  }

  /** Settles an attempt that is somebody else's, or one that it has not been given. */
  private meddle(): void {
    const { client, gossip } = this;
    const { random } = client;
    const seen = gossip.hear((all) => random.pick(all));
    if (seen === undefined) return;
    const attempt = Math.max(1, seen.attempt + random.pick([0, 0, 0, -1, 1]));
    const deliveries = [{ id: seen.id, attempt }];
    const request = random.pick(["ack", "nack", "extend"]);
    void client.ask(request, { queue: seen.queue, deliveries, ...(request === "extend" && { leaseMs: 1_000 }) });
  }
}

function keyOf({ queue, id, attempt }: Seen): string {
  return `${queue} ${id} ${attempt}`;
}
