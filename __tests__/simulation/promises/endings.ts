import type { DeliveryRef, SettleOutcome } from "../../../src/protocol/wire";
import type { QueueAtEnd } from "../history";
import type { Book } from "./book";
import type { Ask, Life } from "./seen";
import type { Rule } from "./rule";

/** Nothing vanishes: every confirmed message was acked, or is dead, expired or purged, and each of those is counted. */
export class Endings implements Rule {
  /** How often each message has failed for sure, since it was last put back. */
  private readonly failures = new Map<Life, number>();

  constructor(private readonly book: Book) {}

  asked({ request, argument }: Ask): void {
    if (request !== "redrive") return;
    for (const life of this.book.livesIn(String(argument["queue"])).values()) this.failures.delete(life);
  }

  settled(ask: Ask, _queue: string, ref: DeliveryRef, outcome: SettleOutcome): void {
    const life = ask.rightful.get(ref)?.life;
    if (life === undefined || "error" in outcome || outcome.status !== "nacked") return;
    const failures = (this.failures.get(life) ?? 0) + 1;
    this.failures.set(life, failures);
    const { maxAttempts } = this.book.terms.rulesOf(life.queue);
    if (failures < maxAttempts) return;
    this.book.breach("Nothing vanishes", `${life.id} has failed ${failures} times, and is tried again`, life.id);
  }

  over(queues: readonly QueueAtEnd[]): void {
    for (const queue of queues) {
      this.checkCounts(queue);
      this.checkLives(queue);
    }
  }

  /** What the hub counts in memory is what its file holds. */
  private checkCounts({ queue, inMemory, onDisk, dead }: QueueAtEnd): void {
    for (const count of ["ready", "delayed", "bytes", "dead", "expired", "purged"] as const) {
      if (inMemory[count] === onDisk[count]) continue;
      this.book.breach(
        "Nothing vanishes",
        `${queue} counts ${inMemory[count]} ${count}, its file ${onDisk[count]}`,
        queue,
      );
    }
    if (dead.length !== onDisk.dead) {
      this.book.breach(
        "Nothing vanishes",
        `${queue} counts ${onDisk.dead} dead letters and shows ${dead.length}`,
        queue,
      );
    }
  }

  private checkLives({ queue, onDisk, dead }: QueueAtEnd): void {
    const { book } = this;
    const isDead = new Set(dead.map(({ seq }) => seq));
    let expiredLeft = onDisk.expired;
    let purgedLeft = onDisk.purged;
    for (const life of book.livesIn(queue).values()) {
      if (!life.confirmed || life.acked || life.ackAsked.size > 0 || isDead.has(life.seq)) continue;
      if (book.mayBeExpired(life) && expiredLeft > 0) expiredLeft--;
      else if (book.mayHaveEnded(life) && purgedLeft > 0) purgedLeft--;
      else
        book.breach(
          "Nothing vanishes",
          `${life.id} (${queue}, seq ${life.seq}) was confirmed and is lost${how(life)}`,
          life.id,
        );
    }
  }
}

function how({ sends, hold }: Life): string {
  return hold === undefined
    ? ": it was never given out"
    : `: it was given out ${sends} times, last as attempt ${hold.attempt}`;
}
