import type { DeliveredMessage } from "../../../src/protocol/wire";
import { priorityOf, type Book } from "./book";
import type { Ask, Life } from "./seen";
import type { Rule } from "./rule";

/** First deliveries of one priority of one queue. */
interface Lane {
  /** The highest seq before this step, and in it. */
  before: number;
  newest: number;
  step: number;
}

/**
 * Order: first deliveries of a queue and priority go by seq. Of a group one message is out at a time, and none goes
 * before one that was given out and has not ended.
 */
export class Order implements Rule {
  private readonly lanes = new Map<string, Lane>();
  /** Of each group: what was given out and has not surely ended. */
  private readonly groups = new Map<string, Set<Life>>();

  constructor(private readonly book: Book) {}

  asked({ request, argument }: Ask): void {
    if (request !== "redrive" && request !== "purge") return;
    // What was dead may be back in its place, or gone: its group has gone on without it.
    for (const life of this.book.livesIn(String(argument["queue"])).values()) {
      if (this.book.mayHaveEnded(life)) this.leaveGroup(life);
    }
  }

  sending(life: Life, message: DeliveredMessage): void {
    if (life.hold?.attempt === message.attempt) return;
    const { group, delayMs, deliverAt } = life.spec?.message ?? {};
    if (group !== undefined) this.checkGroup(life, group);
    const isAlone = this.book.livesOf(life.queue, life.id).length === 1;
    const isPlain = group === undefined && delayMs === undefined && deliverAt === undefined;
    // One that died before it was ever given out may have been put back in its place.
    const wasDead =
      this.book.mayHaveDied(life) || (this.book.terms.rulesOf(life.queue).deadLetterExpired && isMortal(life));
    if (life.sends === 0 && isPlain && isAlone && !wasDead) this.checkLane(life);
  }

  private checkLane(life: Life): void {
    const { book } = this;
    const key = `${life.queue} ${priorityOf(life)}`;
    const lane = this.lanes.get(key) ?? { before: 0, newest: 0, step: -1 };
    this.lanes.set(key, lane);
    // What is dealt to several consumers at once reaches them one after the other.
    if (lane.step !== book.step) {
      lane.before = lane.newest;
      lane.step = book.step;
    }
    if (life.seq < lane.before) {
      book.breach(
        "Order",
        `${life.id} of ${life.queue}, seq ${life.seq}, came first after seq ${lane.before}`,
        life.id,
      );
    }
    lane.newest = Math.max(lane.newest, life.seq);
  }

  private checkGroup(life: Life, group: string): void {
    const { book } = this;
    const key = groupKey(life, group);
    const members = this.groups.get(key) ?? new Set<Life>();
    this.groups.set(key, members);
    for (const other of members) {
      if (other === life) continue;
      if (book.mayHaveEnded(other)) {
        if (other.acked) members.delete(other);
        continue;
      }
      if (other.hold?.hub !== book.hub && goesBefore(life, other)) continue;
      const isOut = other.hold !== undefined && !other.hold.revoked && book.whyOver(other.hold) === undefined;
      const what = isOut ? "is out" : "waits for its next attempt";
      book.breach("Order", `${life.id} of group ${group} was given out while ${other.id} ${what}`, life.id);
    }
    members.add(life);
  }

  private leaveGroup(life: Life): void {
    const group = life.spec?.message.group;
    if (group !== undefined) this.groups.get(groupKey(life, group))?.delete(life);
  }
}

function isMortal({ spec }: Life): boolean {
  return spec?.message.ttlMs !== undefined;
}

/** A restart ends what was out: then the first of a group by priority and seq goes first once more. */
function goesBefore(life: Life, other: Life): boolean {
  const difference = priorityOf(life) - priorityOf(other);
  return difference > 0 || (difference === 0 && life.seq < other.seq);
}

function groupKey({ queue }: Life, group: string): string {
  return `${queue} ${group}`;
}
