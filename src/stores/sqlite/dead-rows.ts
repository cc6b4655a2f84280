import type { Database, Statement } from "better-sqlite3";
import { sizeOf, type DeadLetter, type DeadReason, type DeadSelection, type QueueAddress } from "../../queue/message";
import {
  CALL_BYTES,
  cellsSize,
  MESSAGE_CELLS,
  PACKED_CELLS,
  packMessage,
  unpackMessages,
  type Calls,
  type MessageCells,
} from "./calls";
import type { Endings } from "./endings";
import type { LeaseMarks } from "./lease-marks";
import { messageCells, type SqlCell } from "./message-cells";
import { Packer, type Packed } from "./packed";

/** A dead letter's message as `messageCells` takes it, with no end of its time. */
const MESSAGE = `seq, queue, priority, NULL, 0, attempts, failures, id, event, payload, grp, headers, publisher, published_at, room, error, content_check`;

/** Seqs of a queue's dead letters, the lowest first, that meet a selection; what is not asked for is NULL. */
const SELECTED = `FROM dead WHERE queue = :queueNo AND seq > :afterSeq
  AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
  AND (:event IS NULL OR event = :event) AND (:group IS NULL OR grp = :group) AND (:reason IS NULL OR reason = :reason)
  AND (:error IS NULL OR instr(error, :error) > 0)
  AND (:diedFrom IS NULL OR died_at >= :diedFrom) AND (:diedUntil IS NULL OR died_at <= :diedUntil)
  ORDER BY seq LIMIT :limit`;

/** Dead letters: shown, put back, thrown away. */
export class DeadRows {
  private readonly rows: Statement;
  private readonly seqs: Statement;
  private readonly oldest: Statement;
  private readonly putBack: Statement;
  private readonly message: Statement;
  private readonly remove: Statement;
  private readonly countPurged: Statement;

  constructor(
    database: Database,
    private readonly marks: LeaseMarks,
    private readonly endings: Endings,
  ) {
    this.rows = database.prepare(`SELECT ${MESSAGE}, reason, last_holder, died_at ${SELECTED}`).raw();
    this.seqs = database.prepare(`SELECT seq ${SELECTED}`).pluck();
    this.oldest = database
      .prepare("SELECT seq FROM dead INDEXED BY dead_age WHERE queue = ? ORDER BY died_at, seq LIMIT ?")
      .pluck();
    this.putBack = database.prepare(
      `INSERT INTO messages (seq, queue, priority, bytes, due_at, body, attempts, failures, id, event, payload, grp, headers, publisher, published_at, room, error, content_check)
       SELECT seq, queue, priority, ?, ?, 0, attempts, 0, id, event, payload, grp, headers, publisher, published_at, room, error, content_check FROM dead WHERE seq = ?`,
    );
    this.message = database.prepare(`SELECT ${MESSAGE.replace("failures", "0")} FROM dead WHERE seq = ?`).raw();
    this.remove = database.prepare("DELETE FROM dead WHERE seq = ?");
    this.countPurged = database.prepare("UPDATE queues SET purged = purged + ? WHERE no = ?");
  }

  list({ queueNo, selection, limit, afterSeq }: Calls["deadLetters"][0]): Calls["deadLetters"][1] {
    const wanted = selected(queueNo, selection, Math.min(limit, selection.limit ?? limit), afterSeq);
    const letters: DeadLetter[] = [];
    let bytes = 0;
    for (const row of this.rows.iterate(wanted) as IterableIterator<SqlCell[]>) {
      const letter = letterOf(row);
      letters.push(letter);
      bytes += sizeOf(letter.message);
      if (bytes >= CALL_BYTES) break;
    }
    return letters;
  }

  redrive({ queueNo, selection, afterSeq, limit, spread }: Calls["redrive"][0]): Packed {
    const packer = new Packer(PACKED_CELLS);
    const seqs = this.seqs.all(selected(queueNo, selection, limit, afterSeq)) as number[];
    let bytes = 0;
    for (const [index, seq] of seqs.entries()) {
      const cells = this.cellsOf(seq);
      packMessage(packer, cells);
      const size = cellsSize(cells);
      const dueAt = spread ? Math.round(spread.from + index * spread.everyMs) : null;
      this.putBack.run(size, dueAt, seq);
      this.remove.run(seq);
      if (dueAt === null) this.marks.raise(queueNo, cells[2], seq);
      bytes += size;
      if (bytes >= CALL_BYTES) break;
    }
    return packer.pack();
  }

  purge({ queueNo, selection, limit, now }: Calls["purge"][0]): number {
    return this.end(queueNo, this.seqs.all(selected(queueNo, selection, limit, 0)) as number[], now);
  }

  purgeOldest({ queueNo, limit, now }: Calls["purgeOldest"][0]): number {
    return this.end(queueNo, this.oldest.all(queueNo, limit) as number[], now);
  }

  private end(queueNo: number, seqs: readonly number[], now: number): number {
    for (const seq of seqs) {
      const [, , , , , attempts, , id] = this.cellsOf(seq);
      this.remove.run(seq);
      this.endings.note(queueNo, { id, how: "purged", attempt: attempts, client: undefined }, now);
    }
    if (seqs.length > 0) this.countPurged.run(seqs.length, queueNo);
    return seqs.length;
  }

  private cellsOf(seq: number): MessageCells {
    return messageCells(this.message.get(seq) as SqlCell[]);
  }
}

function letterOf(row: readonly SqlCell[]): DeadLetter {
  const packer = new Packer(PACKED_CELLS);
  packMessage(packer, messageCells(row));
  // The journal knows the queue by its address.
  const [message] = unpackMessages(packer.pack(), () => "" as QueueAddress);
  if (message === undefined) throw new Error("a dead letter has no message");
  const [reason, lastHolder, diedAt] = row.slice(MESSAGE_CELLS + 1);
  return {
    message,
    reason: reason as DeadReason,
    lastHolder: typeof lastHolder === "string" ? lastHolder : undefined,
    diedAt: Number(diedAt),
  };
}

function selected(
  queueNo: number,
  { ids, event, group, reason, error, diedFrom, diedUntil }: DeadSelection,
  limit: number,
  afterSeq: number,
): Record<string, string | number | null> {
  return {
    queueNo,
    afterSeq,
    limit,
    ids: ids ? JSON.stringify(ids) : null,
    event: event ?? null,
    group: group ?? null,
    reason: reason ?? null,
    error: error ?? null,
    diedFrom: diedFrom ?? null,
    diedUntil: diedUntil ?? null,
  };
}
