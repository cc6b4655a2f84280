import type { Clock } from "../queue/clock";
import type { DeadLetter, DeadSelection } from "../queue/message";
import type { Change, StoredMessage } from "./ledger/journal";

interface BuriedMessage extends DeadLetter {
  readonly message: StoredMessage;
}

/** The dead letters of the journal in memory, by queue. */
export class DeadLetters {
  private readonly buried = new Map<number, BuriedMessage[]>();

  constructor(private readonly clock: Pick<Clock, "now">) {}

  bury(message: StoredMessage, { failures, reason, error, lastHolder }: Extract<Change, { kind: "dead" }>): void {
    const letters = this.buried.get(message.queueNo) ?? [];
    const buried = { ...message, failures, lastError: error, expiresAt: undefined };
    letters.push({ message: buried, reason, lastHolder, diedAt: this.clock.now() });
    this.buried.set(message.queueNo, letters);
  }

  /** In the order of their seqs. */
  list(queueNo: number, selection: DeadSelection, limit: number, afterSeq: number): readonly DeadLetter[] {
    const letters = (this.buried.get(queueNo) ?? []).filter(
      (letter) => letter.message.seq > afterSeq && isSelected(letter, selection),
    );
    return letters.sort(bySeq).slice(0, Math.min(limit, selection.limit ?? limit));
  }

  /** Takes the first of those selected away. */
  take(queueNo: number, selection: DeadSelection, limit: number, afterSeq: number): readonly StoredMessage[] {
    const taken: StoredMessage[] = [];
    const left: BuriedMessage[] = [];
    for (const letter of (this.buried.get(queueNo) ?? []).sort(bySeq)) {
      const isNext = taken.length < limit && letter.message.seq > afterSeq && isSelected(letter, selection);
      if (isNext) taken.push(letter.message);
      else left.push(letter);
    }
    this.buried.set(queueNo, left);
    return taken;
  }

  /** Takes those away that died first. */
  takeOldest(queueNo: number, limit: number): readonly StoredMessage[] {
    const letters = (this.buried.get(queueNo) ?? []).sort(byAge);
    return letters.splice(0, limit).map(({ message }) => message);
  }
}

function bySeq(a: BuriedMessage, b: BuriedMessage): number {
  return a.message.seq - b.message.seq;
}

function byAge(a: BuriedMessage, b: BuriedMessage): number {
  return a.diedAt - b.diedAt || bySeq(a, b);
}

function isSelected({ message, reason, diedAt }: BuriedMessage, selection: DeadSelection): boolean {
  const { ids, event, group, error, diedFrom, diedUntil } = selection;
  return (
    (ids === undefined || ids.includes(message.id)) &&
    (event === undefined || event === message.event) &&
    (group === undefined || group === message.group) &&
    (selection.reason === undefined || selection.reason === reason) &&
    (error === undefined || (message.lastError ?? "").includes(error)) &&
    (diedFrom === undefined || diedAt >= diedFrom) &&
    (diedUntil === undefined || diedAt <= diedUntil)
  );
}
