import { sizeOf } from "../../queue/message";
import type { LeaseRequest } from "../../queue/store";
import type { Deadlines } from "./deadlines";
import type { StoredMessage } from "./journal";
import type { Ledger } from "./ledger";
import type { Lease, QueueState } from "./queue-state";
import type { Settlements } from "./settlements";

/** A delivery that is not out before its attempt is written. */
interface Counting {
  readonly lease: Lease;
  /** Those of its message before that. */
  readonly attempts: number;
  readonly written: Promise<void>;
}

/** Gives ready messages out. */
export class Leasing {
  /** Those of the deliveries of a lease that have to wait for their attempts to be written. */
  private counting: Counting[] = [];

  /** @param pageIn reads what a queue that gave something out will need next. */
  constructor(
    private readonly ledger: Ledger,
    private readonly deadlines: Deadlines,
    private readonly settlements: Settlements,
    private readonly pageIn: (queue: QueueState) => void,
  ) {}

  lease(
    queue: QueueState,
    requests: readonly LeaseRequest[],
    now: number,
    deadline: number,
  ): Promise<readonly Lease[]> {
    const deliveries = this.deal(queue, requests, now, deadline);
    if (queue.leases.size > 0) this.ledger.noteLeasing(queue);
    this.pageIn(queue);
    const { counting } = this;
    if (counting.length === 0) return Promise.resolve(deliveries);
    this.counting = [];
    return this.counted(queue, deliveries, counting);
  }

  /** Deals ready messages out, one to each request in turn. */
  private deal(queue: QueueState, requests: readonly LeaseRequest[], now: number, deadline: number): Lease[] {
    const dealt: Lease[] = [];
    const open = requests.map(({ holder, client, limit, limitBytes }) => ({ holder, client, limit, limitBytes }));
    for (let turn = 0; open.length > 0; turn++) {
      const place = turn % open.length;
      const request = open[place];
      const message = request && this.takeReady(queue, now);
      if (request === undefined || message === undefined) break;
      const { attempts } = message;
      const written = this.countOn(queue, message);
      const lease = queue.lease(message, request.holder, request.client, deadline);
      if (written !== undefined) this.counting.push({ lease, attempts, written });
      dealt.push(lease);
      request.limit--;
      request.limitBytes -= sizeOf(message);
      if (request.limit > 0 && request.limitBytes > 0) continue;
      open.splice(place, 1);
      turn = place - 1;
    }
    return dealt;
  }

  /**
   * Has a message's attempts go on from those of another one of its id, also after a crash.
   *
   * @returns when that is written; undefined: they do so already.
   */
  private countOn(queue: QueueState, message: StoredMessage): Promise<void> | undefined {
    const last = this.settlements.lastAttempt(queue, message.id);
    if (last <= message.attempts) return undefined;
    message.attempts = last;
    return this.ledger.journal.change([{ kind: "count", row: { ...message } }]);
  }

  /** @returns the deliveries but for those whose attempts could not be written: after a crash they would be given again. */
  private async counted(
    queue: QueueState,
    deliveries: readonly Lease[],
    counting: readonly Counting[],
  ): Promise<readonly Lease[]> {
    const refused = new Set<Lease>();
    const take = ({ lease, attempts }: Counting): void => {
      refused.add(lease);
      this.settlements.takeBack(queue, lease, attempts);
    };
    await Promise.all(counting.map((each) => each.written.catch(() => take(each))));
    return refused.size === 0 ? deliveries : deliveries.filter((lease) => !refused.has(lease));
  }

  private takeReady(queue: QueueState, now: number): StoredMessage | undefined {
    for (;;) {
      const message = queue.takeNext();
      if (message === undefined) return undefined;
      if (message.expiresAt === undefined || message.expiresAt > now || this.deadlines.isBehind) return message;
      void this.deadlines.endInMemory(queue, message);
    }
  }
}
