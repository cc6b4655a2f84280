import type { Clock } from "../queue/clock";

/** An id in its queue or room. */
export interface RememberedId {
  readonly queueNo: number;
  readonly id: string;
}

/**
 * The ids of the dedup window, in two generations: when the younger is full or old enough, the older is forgotten. Each id is
 * remembered for one window at least.
 */
export class RememberedIds {
  private young = new Map<string, number>();
  private older = new Map<string, number>();
  private since = 0;

  constructor(
    private readonly settings: { readonly dedupWindowMs: number; readonly dedupMaxIds: number },
    private readonly clock: Pick<Clock, "steady">,
  ) {}

  /** @returns the seq that a remembered id has, or 0. */
  find(id: RememberedId): number {
    const key = keyOf(id);
    return this.young.get(key) ?? this.older.get(key) ?? 0;
  }

  /** Remembers an id. @returns the seq that it had before, or 0. */
  remember(id: RememberedId, seq: number): number {
    const now = this.clock.steady();
    if (now - this.since >= this.settings.dedupWindowMs || this.young.size >= this.settings.dedupMaxIds) {
      this.older = this.young;
      this.young = new Map();
      this.since = now;
    }
    const first = this.find(id);
    if (first === 0) this.young.set(keyOf(id), seq);
    return first;
  }
}

function keyOf({ queueNo, id }: RememberedId): string {
  return `${queueNo}/${id}`;
}
