import { MAX_PASSES } from "../../../src/stores/ledger/queue-state";
import { check } from "./check";
import { isExpired, type KnownMessage } from "./known-message";

/**
 * Whose turn it is in a queue: the highest priority's, and of that the oldest; but after so many deliveries that passed
 * an older message of lower priority, the oldest of all.
 */
export class KnownTurns {
  /** Deliveries in a row while something of lower priority was ready: the store may have taken it for older. */
  private passesAtMost = 0;
  /** Deliveries in a row that passed an older one of lower priority that was free to go. */
  private passesAtLeast = 0;

  /** Nobody can say what was given out meanwhile: the oldest may have its turn. */
  lose(): void {
    this.passesAtMost = MAX_PASSES;
    this.passesAtLeast = 0;
  }

  restart(): void {
    this.passesAtMost = 0;
    this.passesAtLeast = 0;
  }

  /**
   * Looks whether a message was given out in its turn.
   *
   * @param all of its queue, as they were before.
   */
  take(known: KnownMessage, all: readonly KnownMessage[], name: string, now: number): void {
    check(known.state === "ready", `${name} was ${known.state}`);
    const out = new Set(all.flatMap((each) => (each.state === "leased" ? [each.id] : [])));
    const others = all.filter(
      (other) => other !== known && other.state === "ready" && !isExpired(other, now) && !out.has(other.id),
    );
    const overtaken = others.filter((other) => isBefore(other, known));
    for (const other of overtaken) this.checkOvertaken(other, known, others, name);
    this.count(known, others, all);
    if (overtaken.some(({ group }) => group === undefined)) this.passesAtMost = 0;
  }

  private checkOvertaken(
    other: KnownMessage,
    known: KnownMessage,
    others: readonly KnownMessage[],
    name: string,
  ): void {
    const overtaken = `${name} overtook ${other.id}#${other.seq}`;
    if (other.group !== undefined) {
      const isOrdered = other.group === known.group && other.inOrder && known.inOrder && known.attempt === 0;
      check(!isOrdered, `${overtaken} of its group`);
      return;
    }
    check(other.priority > known.priority, overtaken);
    check(this.passesAtMost >= MAX_PASSES, `${overtaken} after ${this.passesAtMost} passes`);
    const older = others.find((each) => each.group === undefined && isOlder(each, known));
    check(older === undefined, `${overtaken}, and ${older?.id}#${older?.seq} is older`);
  }

  private count(known: KnownMessage, others: readonly KnownMessage[], all: readonly KnownMessage[]): void {
    const isLower = (other: KnownMessage): boolean => other.priority < known.priority;
    const passed = others.find((other) => isLower(other) && other.group === undefined && isOlder(other, known));
    this.passesAtLeast = passed ? this.passesAtLeast + 1 : 0;
    check(
      this.passesAtLeast <= MAX_PASSES,
      `${this.passesAtLeast} have passed ${passed?.id}#${passed?.seq}, the last of them ${known.id}#${known.seq}`,
    );
    const mayPass = all.some((other) => other !== known && other.state === "ready" && isLower(other));
    this.passesAtMost = mayPass ? this.passesAtMost + 1 : 0;
  }
}

function isOlder(a: KnownMessage, b: KnownMessage): boolean {
  return a.seq !== undefined && b.seq !== undefined && a.seq < b.seq;
}

function isBefore(a: KnownMessage, b: KnownMessage): boolean {
  if (a.seq === undefined || b.seq === undefined) return false;
  return a.priority > b.priority || (a.priority === b.priority && a.seq < b.seq);
}
