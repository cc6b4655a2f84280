import type { DeadLetterMessage } from "../../../src/protocol/wire";
import type { Role, SimClient } from "./sim-client";

export interface OperatorHabits {
  readonly queues: readonly string[];
  readonly paceMs: number;
  /** How often it throws dead letters away, rather than putting them back. */
  readonly purges: number;
  /** How often it puts them back one after the other, so many a second. */
  readonly paced: number;
}

/** Looks after dead letters. */
export class Operator implements Role {
  constructor(
    private readonly client: SimClient,
    private readonly habits: OperatorHabits,
  ) {
    client.role = this;
    this.lookSoon();
  }

  connected(): void {}
  delivered(): void {}
  revoked(): void {}
  disconnected(): void {}

  private lookSoon(): void {
    const { client, habits } = this;
    client.shore.clock.after(habits.paceMs * client.random.between(0.3, 2), () => void this.look());
  }

  private async look(): Promise<void> {
    const { client, habits } = this;
    const { random, shore } = client;
    if (shore.healing) return;
    if (client.isConnected) {
      const queue = random.pick(habits.queues);
      const answer = await client.ask("dead", { queue, limit: 20 });
      if (shore.healing) return;
      const letters = (answer?.ok ? answer["messages"] : []) as readonly DeadLetterMessage[];
      const request = random.chance(habits.purges) ? "purge" : "redrive";
      const ids = letters.slice(0, random.int(1, 3)).map(({ id }) => id);
      const isPaced = request === "redrive" && random.chance(habits.paced);
      const how = { ...(random.chance(0.7) && { ids }), ...(isPaced && { perSecond: random.int(1, 20) }) };
      if (ids.length > 0) await client.ask(request, { queue, ...how });
    }
    this.lookSoon();
  }
}
