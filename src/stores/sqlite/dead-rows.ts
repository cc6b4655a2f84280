import type { Database, Statement } from "better-sqlite3";
import type { QueueAddress } from "../../queue/message";
import { MESSAGE_CELLS, packMessage, unpackMessages, type Calls } from "./calls";
import type { LeaseMarks } from "./lease-marks";
import { messageCells, type SqlCell } from "./message-cells";
import { Packer, type Packed } from "./packed";

/** A dead letter's message as `messageCells` takes it, without failures and with no end of its time. */
const MESSAGE = `seq, queue, priority, NULL, 0, attempts, failures, id, event, payload, grp, headers, publisher, published_at, room`;

/** Dead letters: shown, put back, thrown away. */
export class DeadRows {
  private readonly rows: Statement;
  private readonly seqs: Statement;
  private readonly seqsOfId: Statement;
  private readonly putBack: Statement;
  private readonly message: Statement;
  private readonly remove: Statement;

  constructor(
    database: Database,
    private readonly marks: LeaseMarks,
  ) {
    this.rows = database
      .prepare(
        `SELECT ${MESSAGE}, reason, last_holder, died_at FROM dead WHERE queue = ? AND seq > ? ORDER BY seq LIMIT ?`,
      )
      .raw();
    this.seqs = database.prepare("SELECT seq FROM dead WHERE queue = ? AND died_at <= ? ORDER BY seq LIMIT ?").pluck();
    this.seqsOfId = database.prepare("SELECT seq FROM dead WHERE queue = ? AND id = ? ORDER BY seq").pluck();
    this.putBack = database.prepare(
      `INSERT INTO messages (seq, queue, priority, body, attempts, failures, id, event, payload, grp, headers, publisher, published_at, room)
       SELECT seq, queue, priority, 0, attempts, 0, id, event, payload, grp, headers, publisher, published_at, room FROM dead WHERE seq = ?`,
    );
    this.message = database.prepare(`SELECT ${MESSAGE.replace("failures", "0")} FROM dead WHERE seq = ?`).raw();
    this.remove = database.prepare("DELETE FROM dead WHERE seq = ?");
  }

  list({ queueNo, limit, afterSeq }: Calls["deadLetters"][0]): Calls["deadLetters"][1] {
    return (this.rows.all(queueNo, afterSeq, limit) as SqlCell[][]).map((row) => {
      const packer = new Packer(MESSAGE_CELLS);
      packMessage(packer, messageCells(row));
      // The journal knows the queue by its address.
      const [message] = unpackMessages(packer.pack(), () => "" as QueueAddress);
      if (message === undefined) throw new Error("a dead letter has no message");
      const [reason, lastHolder, diedAt] = row.slice(MESSAGE_CELLS);
      return { message, reason: String(reason), lastHolder: String(lastHolder), diedAt: Number(diedAt) };
    });
  }

  redrive({ queueNo, ids, diedBy, limit }: Calls["redrive"][0]): Packed {
    const packer = new Packer(MESSAGE_CELLS);
    for (const seq of this.selected(queueNo, ids, diedBy, limit)) {
      const cells = messageCells(this.message.get(seq) as SqlCell[]);
      packMessage(packer, cells);
      this.putBack.run(seq);
      this.remove.run(seq);
      const [, , priority] = cells;
      this.marks.raise(queueNo, priority, seq);
    }
    return packer.pack();
  }

  purge({ queueNo, ids }: Calls["purge"][0]): number {
    const seqs = this.selected(queueNo, ids, Infinity, -1);
    for (const seq of seqs) this.remove.run(seq);
    return seqs.length;
  }

  /** A negative limit is none, to SQLite. */
  private selected(queueNo: number, ids: readonly string[] | undefined, diedBy: number, limit: number): number[] {
    if (ids === undefined) return this.seqs.all(queueNo, diedBy, limit) as number[];
    return [...new Set(ids)].flatMap((id) => this.seqsOfId.all(queueNo, id) as number[]);
  }
}
