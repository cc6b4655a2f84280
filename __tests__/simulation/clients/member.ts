import type { DeliveredMessage, Revoked } from "../../../src/protocol/wire";
import type { Role, SimClient } from "./sim-client";
import type { Worker } from "./worker";

export interface MemberHabits {
  readonly rooms: readonly string[];
  /** Milliseconds between joins and leaves, on average. */
  readonly paceMs: number;
  /** How often it leaves a room, rather than joining it once more; 0: never. */
  readonly leaves: number;
  /** How often a join asks for the room's history. */
  readonly looksBack: number;
}

/** A member of rooms, which consumes its inbox as a worker does. */
export class Member implements Role {
  private started = false;

  constructor(
    private readonly client: SimClient,
    private readonly inbox: Worker,
    private readonly habits: MemberHabits,
  ) {
    client.role = this;
  }

  connected(resumed: boolean): void {
    this.inbox.connected(resumed);
    if (this.started) return;
    this.started = true;
    this.move();
  }

  delivered(queue: string, messages: readonly DeliveredMessage[]): void {
    this.inbox.delivered(queue, messages);
  }

  revoked(revoked: Revoked): void {
    this.inbox.revoked(revoked);
  }

  disconnected(): void {}

  private move(): void {
    const { client, habits } = this;
    const { random, shore } = client;
    if (shore.healing) return;
    const room = random.pick(habits.rooms);
    if (client.isConnected) {
      if (random.chance(habits.leaves)) void client.ask("leave", { room });
      else void client.ask("join", { room, ...this.since() });
    }
    shore.clock.after(habits.paceMs * random.between(0.1, 2), () => this.move());
  }

  private since(): Readonly<Record<string, unknown>> {
    const { client, habits } = this;
    const { random, shore } = client;
    if (!random.chance(habits.looksBack)) return {};
    const backMs = random.int(0, 10_000);
    return {
      since: random.pick<unknown>(["all", random.int(0, 60), new Date(shore.clock.now() - backMs).toISOString()]),
    };
  }
}
