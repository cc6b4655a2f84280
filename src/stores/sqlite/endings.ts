import type { Database, Statement } from "better-sqlite3";
import type { EndedHow, Ending } from "../../queue/message";
import type { EndNote } from "../ledger/journal";
import type { Calls } from "./calls";

/**
 * How messages ended, of late: one row for each commit, a line for each message. That costs a commit next to nothing;
 * looking one up reads through the lines, which is for people who ask.
 */
export class Endings {
  private readonly insert: Statement;
  private readonly search: Statement;
  private readonly remove: Statement;
  /** What is kept: rows with how many endings each has, the oldest first. */
  private readonly kept: { readonly no: number; readonly count: number }[];
  private total: number;
  private lines = "";
  private count = 0;
  private at = 0;

  /** @param max endings that are kept. */
  constructor(
    database: Database,
    private readonly max: number,
  ) {
    this.insert = database.prepare("INSERT INTO endings (no, at, count, lines) VALUES (?, ?, ?, ?)");
    this.search = database.prepare("SELECT at, lines FROM endings WHERE instr(lines, ?) > 0 ORDER BY no DESC LIMIT ?");
    this.remove = database.prepare("DELETE FROM endings WHERE no = ?");
    this.kept = database.prepare("SELECT no, count FROM endings ORDER BY no").all() as typeof this.kept;
    this.total = this.kept.reduce((sum, { count }) => sum + count, 0);
  }

  /** Notes an ending for the end of the transaction. @param at by the hub's clock: this thread's hears of no step. */
  note(queueNo: number, { id, how, attempt, client }: EndNote, at: number): void {
    // Neither ids nor clients contain control characters.
    this.lines += `\n${id}\t${queueNo}\t${how}\t${attempt}\t${client ?? ""}`;
    this.count++;
    this.at = at;
  }

  /** Last in a transaction: writes what was noted, and forgets the oldest. */
  write(): void {
    if (this.count === 0) return;
    const no = (this.kept[this.kept.length - 1]?.no ?? 0) + 1;
    this.insert.run(no, this.at, this.count, this.lines);
    let excess = this.total + this.count - this.max;
    for (let at = 0; excess > 0; at++) {
      const oldest = this.kept[at];
      if (oldest === undefined) break;
      this.remove.run(oldest.no);
      excess -= oldest.count;
    }
  }

  /** The transaction was committed. */
  keep(): void {
    if (this.count === 0) return;
    this.kept.push({ no: (this.kept[this.kept.length - 1]?.no ?? 0) + 1, count: this.count });
    this.total += this.count;
    let forgotten = 0;
    while (this.total > this.max && forgotten < this.kept.length - 1) this.total -= this.kept[forgotten++]?.count ?? 0;
    this.kept.splice(0, forgotten);
    this.forget();
  }

  /** The transaction was rolled back. */
  forget(): void {
    this.lines = "";
    this.count = 0;
  }

  /** @returns the endings of an id, in one queue or in all, the newest first: `limit` of them at the most. */
  find({ id, queueNo, limit }: Calls["endings"][0]): Calls["endings"][1] {
    const found: { queueNo: number; ending: Ending }[] = [];
    const wanted = queueNo === undefined ? `\n${id}\t` : `\n${id}\t${queueNo}\t`;
    for (const { at, lines } of this.search.all(wanted, limit) as { at: number; lines: string }[]) {
      for (const line of lines.split("\n").reverse()) {
        const [lineId, queue, how, attempt, client] = line.split("\t");
        if (lineId !== id || (queueNo !== undefined && Number(queue) !== queueNo)) continue;
        const ending = { id, how: how as EndedHow, at, attempt: Number(attempt), client: client || undefined };
        found.push({ queueNo: Number(queue), ending });
        if (found.length === limit) return found;
      }
    }
    return found;
  }
}
