import { IdTable, type ReadonlyIdTable } from "../protocol/id-table";
import { sizeOf, type Delivery, type QueueAddress } from "./message";

/** What a session has out of one queue. A consumer has it at hand, as there may be thousands of them. */
export class Outstanding {
  private readonly held = new IdTable<Delivery>();
  private heldBytes = 0;
  /** More may come: it is not forgotten when all of it is settled. */
  isConsumed = false;

  constructor(readonly queue: QueueAddress) {}

  get deliveries(): ReadonlyIdTable<Delivery> {
    return this.held;
  }

  get bytes(): number {
    return this.heldBytes;
  }

  /** @returns whether it is one more, and does not take the place of another attempt. */
  take(delivery: Delivery): boolean {
    const { id } = delivery.message;
    const former = this.held.get(id);
    // Guard against a message that is back before the end of its last attempt was noted here.
    if (former) this.heldBytes -= sizeOf(former.message);
    this.held.set(id, delivery);
    this.heldBytes += sizeOf(delivery.message);
    return former === undefined;
  }

  /**
   * Forgets a delivery that was settled or lost. Another of the same id stays: a newer attempt, or the next message of that
   * id, which may be here under the same attempt by now.
   *
   * @returns whether it was here.
   */
  forget(delivery: Delivery): boolean {
    const { id } = delivery.message;
    if (this.held.get(id) !== delivery) return false;
    this.held.delete(id);
    this.heldBytes -= sizeOf(delivery.message);
    return true;
  }
}
