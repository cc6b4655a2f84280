import { WaybillError } from "../protocol/errors";
import { queueAddress, type DeadLetter, type QueueAddress } from "./message";
import type { Session } from "./session";
import type { Store } from "./store";

/** What operators may do with dead letters. Everybody else is refused. */
export class DeadLetters {
  constructor(private readonly store: Store) {}

  /** @returns the queue's dead letters after this seq, and how many there are in all. */
  async list(
    session: Session,
    queueName: string,
    limit: number,
    afterSeq: number,
  ): Promise<{ total: number; letters: readonly DeadLetter[] }> {
    const queue = operatedQueue(session, queueName);
    const letters = await this.store.deadLetters(queue, limit, afterSeq);
    return { total: (await this.store.stats(queue)).dead, letters };
  }

  /** Puts dead letters back in their queue, all of them without `ids`. @returns how many. */
  async redrive(session: Session, queueName: string, ids: readonly string[] | undefined): Promise<number> {
    return this.store.redrive(operatedQueue(session, queueName), ids);
  }

  /** Throws dead letters away, all of them without `ids`. @returns how many. */
  async purge(session: Session, queueName: string, ids: readonly string[] | undefined): Promise<number> {
    return this.store.purge(operatedQueue(session, queueName), ids);
  }
}

function operatedQueue({ identity, namespace }: Session, queueName: string): QueueAddress {
  if (identity.operator) return queueAddress(namespace, queueName);
  throw new WaybillError("FORBIDDEN", `${identity.clientId} is not an operator.`);
}
