import type { Clock } from "../queue/clock";
import type { Since } from "../queue/store";
import type { JoinedRow, StoredMessage } from "./ledger/journal";

export interface HistorySettings {
  readonly historyMessages: number;
  readonly historyMs: number;
}

/** A room's message as it was published. */
export interface HistoryRow {
  readonly message: StoredMessage;
  dueAt: number | undefined;
  readonly isDueFixed: boolean;
}

/** A room as the memory store keeps it: its last messages, and who is in it. */
export class RoomHistory {
  private readonly rows: HistoryRow[] = [];
  /** The newest seq that has been lost. */
  private trimmedTo = 0;
  /** For each member's inbox: the seq from which on it was given everything. */
  private readonly coveredFrom = new Map<number, number>();

  constructor(
    private readonly settings: HistorySettings,
    private readonly clock: Pick<Clock, "now">,
  ) {}

  add(row: HistoryRow): void {
    this.rows.push(row);
    if (this.rows.length > this.settings.historyMessages * 2) this.trim();
  }

  /**
   * Puts an inbox among the members.
   *
   * @param lastSeq newest seq that is given out: what comes after it, members are given as it comes.
   * @param given seqs of what the inbox has already.
   * @returns what of the history it is to be given now, and what of it that is not there any more.
   */
  join(
    inboxNo: number,
    since: Since | undefined,
    lastSeq: number,
    given: readonly number[],
  ): { readonly wanted: readonly HistoryRow[]; readonly missing: JoinedRow["missing"] } {
    const coveredFrom = this.coveredFrom.get(inboxNo) ?? lastSeq + 1;
    this.coveredFrom.set(inboxNo, coveredFrom);
    if (since === undefined) return { wanted: [], missing: undefined };
    this.trim();
    // All from the first one on: where the clock was set back, later ones bear an earlier time.
    const first = this.rows.findIndex(({ message }) => isSince(message, since));
    const wanted = first < 0 ? [] : this.rows.slice(first).filter(({ message }) => message.seq < coveredFrom);
    if (wanted[0]) this.coveredFrom.set(inboxNo, wanted[0].message.seq);
    const known = new Set(given);
    const fresh = wanted.filter(({ message }) => !known.has(message.seq));
    return { wanted: fresh, missing: missingBefore(since, Math.min(this.trimmedTo, coveredFrom - 1)) };
  }

  leave(inboxNo: number): void {
    this.coveredFrom.delete(inboxNo);
  }

  moveDeadlines(byMs: number): void {
    const before = this.clock.now() - byMs;
    for (const row of this.rows) {
      // What was due at a time of day that has come lives for a while from then on.
      const isFixed = row.isDueFixed && (row.dueAt ?? 0) > before;
      if (row.dueAt !== undefined && !row.isDueFixed) row.dueAt += byMs;
      if (row.message.expiresAt !== undefined && !isFixed) row.message.expiresAt += byMs;
    }
  }

  private trim(): void {
    const oldest = this.clock.now() - this.settings.historyMs;
    const overflow = Math.max(0, this.rows.length - this.settings.historyMessages);
    const fresh = this.rows.findIndex(({ message }) => message.publishedAt > oldest);
    const from = Math.max(overflow, fresh < 0 ? this.rows.length : fresh);
    for (const { message } of this.rows.splice(0, from)) this.trimmedTo = message.seq;
  }
}

function isSince(message: StoredMessage, since: Since): boolean {
  if (since === "all") return true;
  return "afterSeq" in since ? message.seq > since.afterSeq : message.publishedAt >= since.fromTime;
}

function missingBefore(since: Since, trimmedTo: number): JoinedRow["missing"] {
  if (since === "all" || !("afterSeq" in since) || since.afterSeq >= trimmedTo) return undefined;
  return { from: since.afterSeq + 1, to: trimmedTo };
}
