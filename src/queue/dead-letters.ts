import type { Clock } from "./clock";
import { requireOperator } from "./identity";
import { queueAddress, type DeadLetter, type DeadSelection, type QueueAddress } from "./message";
import type { Session } from "./session";
import type { Store } from "./store";

/** What operators may do with dead letters. Everybody else is refused. */
export class DeadLetters {
  /** Redrives and purges that are under way. */
  private underWay = 0;

  /** @param refuseNewWork throws while the hub takes on nothing new. */
  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly refuseNewWork: () => void,
  ) {}

  /** Nothing is on its way from the dead letters, or out of them. */
  get idle(): boolean {
    return this.underWay === 0;
  }

  /** @returns those of the queue's dead letters after this seq that are meant, and how many there are in all, meant or not. */
  async list(
    session: Session,
    queueName: string,
    selection: DeadSelection,
    limit: number,
    afterSeq: number,
  ): Promise<{ total: number; letters: readonly DeadLetter[] }> {
    const queue = operatedQueue(session, queueName);
    const letters = await this.store.deadLetters(queue, selection, limit, afterSeq);
    return { total: (await this.store.stats(queue)).dead, letters };
  }

  /**
   * Puts dead letters back in their queue: at once, or so many a second, the lowest seq first.
   *
   * @returns how many.
   */
  async redrive(
    session: Session,
    queueName: string,
    selection: DeadSelection,
    perSecond: number | undefined,
  ): Promise<number> {
    const queue = operatedQueue(session, queueName);
    this.refuseNewWork();
    const everyMs = perSecond === undefined ? 0 : 1_000 / perSecond;
    return this.awaited(this.store.redrive(queue, selection, this.clock.now(), everyMs));
  }

  /** Throws dead letters away: also while the hub takes on nothing new, as it takes what is settled. @returns how many. */
  async purge(session: Session, queueName: string, selection: DeadSelection): Promise<number> {
    return this.awaited(this.store.purge(operatedQueue(session, queueName), selection));
  }

  private async awaited(removed: Promise<number>): Promise<number> {
    this.underWay++;
    try {
      return await removed;
    } finally {
      this.underWay--;
    }
  }
}

function operatedQueue({ identity, namespace }: Session, queueName: string): QueueAddress {
  requireOperator(identity);
  return queueAddress(namespace, queueName);
}
