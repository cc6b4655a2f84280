import type { Database, Statement } from "better-sqlite3";
import { PRIORITIES } from "../../queue/message";
import type { Since } from "../../queue/store";
import type { JoinedRow } from "../ledger/journal";
import type { Calls } from "./calls";
import { contentCheck } from "./content-check";
import type { MessageRow } from "./message-rows";

/** Rooms on disk: their messages' content, once for history and all inboxes, and their members. */
export class RoomRows {
  private readonly insertBody: Statement;
  private readonly releaseBody: Statement;
  private readonly deleteUnused: Statement;
  private readonly addRefs: Statement;
  private readonly overflow: Statement;
  private readonly aged: Statement;
  private readonly trim: Statement;
  private readonly deleteTrimmed: Statement;
  private readonly setTrimmedTo: Statement;
  private readonly trimmedTo: Statement;
  private readonly history: Statement;
  private readonly firstSince: Statement;
  private readonly insertMember: Statement;
  private readonly coveredFrom: Statement;
  private readonly setCoveredFrom: Statement;
  private readonly deleteMember: Statement;
  private readonly insertCopy: Statement;
  /** Messages added to each room since it was last trimmed. */
  private readonly added = new Map<number, number>();

  constructor(
    database: Database,
    private readonly settings: { readonly historyMessages: number; readonly historyMs: number },
  ) {
    this.insertBody = database.prepare(
      `INSERT INTO bodies (seq, room, kept, refs, priority, bytes, due_at, due_fixed, expires_at, id, event, payload, grp, headers, publisher, published_at, content_check)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.releaseBody = database.prepare("UPDATE bodies SET refs = refs - 1 WHERE seq = ?");
    this.deleteUnused = database.prepare("DELETE FROM bodies WHERE seq = ? AND refs = 0 AND kept = 0");
    this.addRefs = database.prepare("UPDATE bodies SET refs = refs + 1 WHERE seq = ?");
    this.overflow = database
      .prepare("SELECT seq FROM bodies WHERE room = ? AND kept = 1 ORDER BY seq DESC LIMIT 1 OFFSET ?")
      .pluck();
    this.aged = database
      .prepare("SELECT max(seq) FROM bodies WHERE room = ? AND kept = 1 AND published_at <= ?")
      .pluck();
    this.trim = database.prepare("UPDATE bodies SET kept = 0 WHERE room = ? AND kept = 1 AND seq <= ?");
    this.deleteTrimmed = database.prepare("DELETE FROM bodies WHERE room = ? AND kept = 1 AND seq <= ? AND refs = 0");
    this.setTrimmedTo = database.prepare("UPDATE queues SET trimmed_to = max(trimmed_to, ?) WHERE no = ?");
    this.trimmedTo = database.prepare("SELECT trimmed_to FROM queues WHERE no = ?").pluck();
    this.history = database.prepare(
      `SELECT seq, priority, bytes, due_at, due_fixed, expires_at FROM bodies
       WHERE room = ? AND kept = 1 AND seq > ? AND seq < ? AND seq >= ? ORDER BY seq`,
    );
    this.firstSince = database
      .prepare("SELECT min(seq) FROM bodies WHERE room = ? AND kept = 1 AND published_at >= ?")
      .pluck();
    this.insertMember = database.prepare("INSERT OR IGNORE INTO members (room, inbox, covered_from) VALUES (?, ?, ?)");
    this.coveredFrom = database.prepare("SELECT covered_from FROM members WHERE room = ? AND inbox = ?").pluck();
    this.setCoveredFrom = database.prepare("UPDATE members SET covered_from = ? WHERE room = ? AND inbox = ?");
    this.deleteMember = database.prepare("DELETE FROM members WHERE room = ? AND inbox = ?");
    this.insertCopy = database.prepare(
      "INSERT INTO messages (seq, queue, priority, bytes, due_at, due_fixed, expires_at, body, attempts, failures) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
    );
  }

  /** Stores a room's message for its history and for `copies` inboxes. */
  addMessage(content: MessageRow, bytes: number, copies: number): void {
    const { seq, queueNo: roomNo, id, event, payload, group, headers, publisher, publishedAt } = content;
    const kept = this.settings.historyMessages > 0 ? 1 : 0;
    if (kept === 0 && copies === 0) return;
    this.insertBody.run(
      seq,
      roomNo,
      kept,
      copies,
      content.priority,
      bytes,
      content.dueAt,
      content.isDueFixed,
      content.expiresAt,
      id,
      event,
      payload,
      group,
      headers,
      publisher,
      publishedAt,
      contentCheck(content),
    );
    const added = (this.added.get(roomNo) ?? this.settings.historyMessages) + 1;
    this.added.set(roomNo, added);
    // Trimming by a tenth at a time keeps its cost off each single message.
    if (added > this.settings.historyMessages / 10) this.trimHistory(roomNo, publishedAt);
  }

  /** An inbox is done with a room's message. */
  release(body: number): void {
    this.releaseBody.run(body);
    this.deleteUnused.run(body);
  }

  join({ roomNo, inboxNo, since, firstSeq, lastSeq, given, now }: Calls["join"][0]): JoinedRow {
    this.insertMember.run(roomNo, inboxNo, lastSeq + 1);
    if (since === undefined) return { replayed: [], delayed: 0, bytes: 0, delayedBytes: 0, missing: undefined };
    this.trimHistory(roomNo, now);
    const coveredFrom = Number(this.coveredFrom.get(roomNo, inboxNo));
    const { afterSeq, fromTime } = boundsOf(since);
    // All from the first one of that time on: where the clock was set back, later ones bear an earlier time.
    const fromSeq = fromTime === undefined ? 0 : (this.firstSince.get(roomNo, fromTime) ?? Infinity);
    const history = this.history.all(roomNo, afterSeq, coveredFrom, fromSeq) as HistoryRow[];
    const known = new Set(given);
    const rows = history.filter(({ seq }) => !known.has(seq));
    const replayed: number[] = Array.from({ length: PRIORITIES }, () => 0);
    let bytes = 0;
    let delayed = 0;
    let delayedBytes = 0;
    rows.forEach((row, index) => {
      const { priority, due_at, due_fixed, expires_at } = row;
      const dueAt = due_at !== null && due_at > now ? due_at : null;
      const isFixed = dueAt === null ? null : due_fixed;
      this.insertCopy.run(firstSeq + index, inboxNo, priority, row.bytes, dueAt, isFixed, expires_at, row.seq);
      bytes += row.bytes;
      this.addRefs.run(row.seq);
      if (dueAt === null) {
        replayed[priority] = (replayed[priority] ?? 0) + 1;
      } else {
        delayed++;
        delayedBytes += row.bytes;
      }
    });
    const first = history[0];
    if (first) this.setCoveredFrom.run(first.seq, roomNo, inboxNo);
    const lost = Math.min(Number(this.trimmedTo.get(roomNo)), coveredFrom - 1);
    const missing =
      since !== "all" && "afterSeq" in since && since.afterSeq < lost
        ? { from: since.afterSeq + 1, to: lost }
        : undefined;
    return { replayed, delayed, bytes, delayedBytes, missing };
  }

  leave({ roomNo, inboxNo }: Calls["leave"][0]): void {
    this.deleteMember.run(roomNo, inboxNo);
  }

  private trimHistory(roomNo: number, now: number): void {
    this.added.set(roomNo, 0);
    const overflow = Number(this.overflow.get(roomNo, this.settings.historyMessages) ?? 0);
    const aged = Number(this.aged.get(roomNo, now - this.settings.historyMs) ?? 0);
    const upTo = Math.max(overflow, aged);
    if (upTo === 0) return;
    this.deleteTrimmed.run(roomNo, upTo);
    this.trim.run(roomNo, upTo);
    this.setTrimmedTo.run(upTo, roomNo);
  }
}

interface HistoryRow {
  readonly seq: number;
  readonly priority: number;
  readonly bytes: number;
  readonly due_at: number | null;
  readonly due_fixed: number | null;
  readonly expires_at: number | null;
}

function boundsOf(since: Since): { afterSeq: number; fromTime: number | undefined } {
  if (since === "all") return { afterSeq: 0, fromTime: undefined };
  if ("afterSeq" in since) return { afterSeq: since.afterSeq, fromTime: undefined };
  return { afterSeq: 0, fromTime: since.fromTime };
}
