import type { NewMessage } from "../../../src/queue/message";
import type { KnownQueue } from "./known-queue";

interface Sent {
  readonly seq: number;
  message: NewMessage;
}

/** The room as the model knows it: what was sent to it, and who is in it. */
export class KnownRoom {
  private readonly history: Sent[] = [];
  /** Members, each with the seq from which on it was given everything. */
  private readonly coveredFrom = new Map<KnownQueue, number>();

  constructor(private readonly historyMessages: number) {}

  get members(): readonly KnownQueue[] {
    return [...this.coveredFrom.keys()];
  }

  /** @param members those that it went to. */
  send(seq: number, message: NewMessage, members: readonly KnownQueue[]): void {
    this.history.push({ seq, message });
    this.history.sort((a, b) => a.seq - b.seq);
    for (const inbox of members) this.coveredFrom.set(inbox, Math.min(seq, this.coveredFrom.get(inbox) ?? Infinity));
  }

  /** An inbox asks to join. @returns what it is owed of the history, and what to call with the outcome. */
  beginJoin(inbox: KnownQueue): {
    readonly owed: readonly Sent[];
    readonly end: (replayed: boolean | "refused") => void;
  } {
    const former = this.coveredFrom.get(inbox);
    const from = former ?? Infinity;
    this.coveredFrom.set(inbox, from);
    const owed = this.history.slice(-this.historyMessages).filter(({ seq }) => seq < from);
    return {
      owed,
      end: (outcome) => {
        const [first] = owed;
        if (outcome === "refused" && former === undefined) this.coveredFrom.delete(inbox);
        if (outcome === true && first) this.coveredFrom.set(inbox, first.seq);
      },
    };
  }

  /** An inbox asks to leave: it is out from now on, also where that cannot be stored at once. */
  leave(inbox: KnownQueue): void {
    this.coveredFrom.delete(inbox);
  }

  /** @param before the time as the clock was set. */
  moveDeadlines(byMs: number, before: number): void {
    for (const sent of this.history) {
      const { dueAt, expiresAt, isDueFixed } = sent.message;
      if (isDueFixed && (dueAt ?? 0) > before) continue;
      const move = (time: number | undefined): number | undefined => (time === undefined ? time : time + byMs);
      sent.message = { ...sent.message, dueAt: isDueFixed ? dueAt : move(dueAt), expiresAt: move(expiresAt) };
    }
  }
}
