import type { Database, Statement } from "better-sqlite3";
import { DEAD_REASONS } from "../../queue/message";
import type { Blocks } from "./blocks";
import { CHANGE_COUNT, CHANGE_DEAD, CHANGE_END, CHANGE_RETRY, ENDED_HOW, type Calls } from "./calls";
import type { Endings } from "./endings";
import { Unpacker } from "./packed";
import type { RoomRows } from "./room-rows";

/** Carries out what was decided about stored messages. */
export class Changer {
  private readonly remove: Statement;
  private readonly countExpired: Statement;
  private readonly retry: Statement;
  private readonly bury: Statement;
  private readonly attempts: Statement;
  private readonly addHolder: Statement;
  private readonly clearHolders: Statement;

  constructor(
    database: Database,
    private readonly rooms: RoomRows,
    private readonly blocks: Blocks,
    private readonly endings: Endings,
  ) {
    this.remove = database.prepare("DELETE FROM messages WHERE seq = ?");
    this.countExpired = database.prepare("UPDATE queues SET expired = expired + 1 WHERE no = ?");
    this.retry = database.prepare(
      "UPDATE messages SET due_at = ?, due_fixed = NULL, attempts = ?, failures = ?, error = ? WHERE seq = ?",
    );
    this.attempts = database.prepare("UPDATE messages SET attempts = ? WHERE seq = ?");
    this.addHolder = database.prepare("INSERT OR IGNORE INTO group_holders (seq) VALUES (?)");
    this.clearHolders = database.prepare("DELETE FROM group_holders");
    this.bury = database.prepare(
      `INSERT INTO dead (seq, queue, priority, expires_at, body, attempts, failures, id, event, payload, grp, headers, publisher, published_at,
              room, error, content_check, reason, last_holder, died_at)
       SELECT m.seq, m.queue, m.priority, m.expires_at, 0, ?, ?, coalesce(m.id, b.id), coalesce(m.event, b.event), coalesce(m.payload, b.payload),
              coalesce(m.grp, b.grp), coalesce(m.headers, b.headers), coalesce(m.publisher, b.publisher), coalesce(m.published_at, b.published_at),
              coalesce(m.room, r.address), ?, coalesce(m.content_check, b.content_check), ?, ?, ?
       FROM messages m LEFT JOIN bodies b ON b.seq = m.body AND m.body <> 0 LEFT JOIN queues r ON r.no = b.room WHERE m.seq = ?`,
    );
  }

  change({ now, changes }: Calls["change"][0]): void {
    for (const unpacker = new Unpacker(changes); !unpacker.done;) {
      const kind = unpacker.number();
      const seq = unpacker.number();
      switch (kind) {
        case CHANGE_END: {
          const body = unpacker.number();
          const queueNo = unpacker.number();
          const how = ENDED_HOW[unpacker.number()] ?? "purged";
          const attempt = unpacker.number();
          const ending = { how, attempt, id: unpacker.string(), client: unpacker.stringOrNull() ?? undefined };
          this.end(seq, body);
          if (how === "expired") this.countExpired.run(queueNo);
          this.endings.note(queueNo, ending, now);
          break;
        }
        case CHANGE_RETRY:
          this.returnMessage(seq, unpacker);
          break;
        case CHANGE_DEAD: {
          const body = unpacker.number();
          const queueNo = unpacker.number();
          const attempts = unpacker.number();
          const failures = unpacker.number();
          const reason = DEAD_REASONS[unpacker.number()] ?? "refused";
          if (body === 0) this.blocks.moveToRow(seq);
          this.bury.run(attempts, failures, unpacker.stringOrNull(), reason, unpacker.stringOrNull(), now, seq);
          if (reason === "expired") this.countExpired.run(queueNo);
          this.end(seq, body);
          break;
        }
        case CHANGE_COUNT:
          this.setAttempts([seq, unpacker.number()]);
          break;
        default:
          throw new Error(`${kind} is no change`);
      }
    }
  }

  /** @param pairs seq and attempts of each message, in turn. */
  setAttempts(pairs: readonly number[]): void {
    for (let at = 0; at < pairs.length; at += 2) {
      const [seq = 0, attempts = 0] = pairs.slice(at, at + 2);
      if (!this.blocks.setAttempts(seq, attempts)) this.attempts.run(attempts, seq);
    }
  }

  /** At a stop: which messages go before all others of their group. */
  noteGroupHolders(seqs: readonly number[]): void {
    for (const seq of seqs) this.addHolder.run(seq);
  }

  /** At a start, once they are known: what is out when may not be written any more. */
  forgetGroupHolders(): void {
    this.clearHolders.run();
  }

  private returnMessage(seq: number, unpacker: Unpacker): void {
    const dueAt = unpacker.numberOrNull();
    const attempts = unpacker.number();
    const failures = unpacker.number();
    const error = unpacker.stringOrNull();
    if (this.blocks.moveToRow(seq, { dueAt, attempts, failures, error })) return;
    this.retry.run(dueAt, attempts, failures, error, seq);
  }

  private end(seq: number, body: number): void {
    if (body === 0 && this.blocks.end(seq)) return;
    // Guard against a second end: the room's message has one reference for each copy.
    if (this.remove.run(seq).changes === 1 && body !== 0) this.rooms.release(body);
  }
}
