import type { Database } from "better-sqlite3";
import { addSeq, mergeRanges, type SeqRange } from "./seq-ranges";

/** Past what may have been given out and is no longer to be seen. */
const SEQ_MARGIN = 1_000_000;

/** What could not be saved. */
export interface Losses {
  /** Messages of which it is known that they were there: their seqs, by queue. */
  readonly messages: ReadonlyMap<string, readonly SeqRange[]>;
  readonly deadLetters: ReadonlyMap<string, readonly SeqRange[]>;
  /** Where it can no longer be told what was there: rows by their numbers, which for messages are their seqs. */
  readonly unreadable: ReadonlyMap<string, readonly SeqRange[]>;
  /**
   * Messages of which two places in the file said different things, or of which one knew nothing: saved, but perhaps not as
   * they were, or under another seq.
   */
  readonly doubtful: ReadonlyMap<string, readonly SeqRange[]>;
  /** Queues whose names are lost; what they hold is under the names given here. */
  readonly renamed: readonly string[];
  /** Messages found on pages that nothing led to, with no index to say whether they were settled before. */
  readonly maybeSettled: number;
}

const REFERRING_TO_QUEUES = [
  ["messages", "queue"],
  ["dead", "queue"],
  ["bodies", "room"],
  ["members", "room"],
  ["members", "inbox"],
] as const;

type SeqsByQueue = Map<string, SeqRange[]>;

/**
 * Makes the rows that were found fit one another: what indexes knew and no row is there for is lost, what refers to what
 * is lost goes too, and what can be worked out anew is.
 */
export class Reconciliation {
  constructor(
    private readonly database: Database,
    /** Tables with an index that is not whole. */
    private readonly damagedIndexes: ReadonlySet<string>,
    /** Where rows of a table may be missing. */
    private readonly gaps: ReadonlyMap<string, readonly SeqRange[]>,
    /** Whether later commits are missing. */
    private readonly isBehind: boolean,
  ) {}

  run(): Omit<Losses, "maybeSettled"> {
    const renamed = this.recoverNames();
    this.findDoubtful();
    this.followIndex();
    this.followBodies();
    renamed.push(...this.nameQueues());
    // Of those that shared rows their block tells, where no index does.
    const messages = this.lost("messages", "known", "lost");
    const doubtful = this.byQueue("SELECT seq, queue FROM doubtful JOIN messages USING (seq) ORDER BY queue, seq");
    this.dropEmptyCopies(messages);
    this.countReferences();
    this.settleMarks();
    this.settleMeta();
    return { messages, deadLetters: this.lost("dead", "known_dead"), unreadable: this.unreadable(), doubtful, renamed };
  }

  /** Queues whose names the table has lost, or has otherwise than the index. */
  private recoverNames(): string[] {
    if (this.damagedIndexes.has("queues")) return [];
    const unlike = this.all<{ no: number; address: string; known: string }>(
      "SELECT q.no, q.address, k.address AS known FROM queues q JOIN known_queues k ON k.seq = q.no WHERE q.address <> k.address",
    );
    for (const { no, known } of unlike) {
      this.database.prepare("UPDATE OR IGNORE queues SET address = ? WHERE no = ?").run(known, no);
    }
    this.database.exec("INSERT OR IGNORE INTO queues (no, address, creator) SELECT seq, address, '' FROM known_queues");
    return unlike.map(({ address, known }) => `${known} (also read as ${JSON.stringify(address)})`);
  }

  /** Gives every queue and room that something is in a name, and one that has none a number that is free. */
  private nameQueues(): string[] {
    const nameless = this.all<{ no: unknown; isRoom: number }>(
      `SELECT no, max(isRoom) AS isRoom FROM (
        SELECT queue AS no, 0 AS isRoom FROM messages UNION SELECT queue, 0 FROM dead UNION SELECT inbox, 0 FROM members
        UNION SELECT room, 1 FROM bodies UNION SELECT room, 1 FROM members
      ) WHERE no NOT IN (SELECT no FROM queues) GROUP BY no`,
    );
    let free = this.number("SELECT max(no) FROM queues");
    return nameless.map(({ no, isRoom }) => {
      free++;
      const address = isRoom === 1 ? `/:room:salvaged-${free}` : `/:salvaged-${free}`;
      this.database.prepare("INSERT INTO queues (no, address, creator) VALUES (?, ?, '')").run(free, address);
      for (const [table, column] of REFERRING_TO_QUEUES) {
        this.database.prepare(`UPDATE OR IGNORE ${table} SET ${column} = ? WHERE ${column} = ?`).run(free, no);
      }
      return address;
    });
  }

  private findDoubtful(): void {
    this.database.exec(`
      CREATE TEMP TABLE counted AS SELECT body, count(*) AS count FROM messages WHERE body <> 0 GROUP BY body;
      CREATE INDEX temp.counted_body ON counted (body);
      INSERT OR IGNORE INTO doubtful SELECT m.seq FROM messages m JOIN bodies b ON b.seq = m.body JOIN counted c USING (body)
        WHERE m.body <> 0 AND c.count > b.refs;
    `);
    if (this.damagedIndexes.has("messages")) return;
    this.database.exec(`
      INSERT OR IGNORE INTO doubtful SELECT seq FROM messages WHERE seq NOT IN (SELECT seq FROM known);
      INSERT OR IGNORE INTO doubtful SELECT m.seq FROM messages m JOIN known k USING (seq)
        WHERE k.queue <> m.queue OR k.priority <> m.priority OR k.due_at IS NOT m.due_at;
      INSERT OR IGNORE INTO doubtful SELECT m.seq FROM messages m LEFT JOIN known_expiry k USING (seq)
        WHERE k.expires_at IS NOT m.expires_at;
    `);
  }

  /**
   * Where a row and the index say different things, the index counts: it is in order, which damage seldom leaves. Not
   * where it names a queue that is none, and not for the priority, which the checksum of the content covers.
   */
  private followIndex(): void {
    if (this.damagedIndexes.has("messages")) return;
    this.database.exec(`
      UPDATE messages SET queue = iif(k.queue IN (SELECT no FROM queues), k.queue, messages.queue), due_at = k.due_at
        FROM known k WHERE k.seq = messages.seq AND messages.seq IN (SELECT seq FROM doubtful);
      UPDATE messages SET expires_at = (SELECT expires_at FROM known_expiry k WHERE k.seq = messages.seq)
        WHERE seq IN (SELECT seq FROM doubtful);
    `);
  }

  /** A copy of a room's message has its priority. */
  private followBodies(): void {
    this.database.exec(`
      UPDATE messages SET priority = b.priority FROM bodies b
        WHERE messages.body <> 0 AND b.seq = messages.body AND b.priority <> messages.priority;
    `);
  }

  /**
   * @param ofIndexes what indexes knew of, which counts where all of the table's are whole.
   * @param ofRows what rows knew of whose contents are lost.
   */
  private lost(table: string, ofIndexes: string, ofRows?: string): SeqsByQueue {
    const known = [...(this.damagedIndexes.has(table) ? [] : [ofIndexes]), ...(ofRows === undefined ? [] : [ofRows])];
    if (known.length === 0) return new Map();
    const all = known.map((name) => `SELECT seq, queue FROM ${name}`).join(" UNION ");
    return this.byQueue(
      `SELECT k.seq, k.queue FROM (${all}) k LEFT JOIN ${table} t USING (seq) WHERE t.seq IS NULL ORDER BY k.queue, k.seq`,
    );
  }

  /** A copy of a room's message is nothing without what it is a copy of. */
  private dropEmptyCopies(lost: SeqsByQueue): void {
    const isEmpty = "body <> 0 AND body NOT IN (SELECT seq FROM bodies)";
    for (const [queue, ranges] of this.byQueue(
      `SELECT seq, queue FROM messages WHERE ${isEmpty} ORDER BY queue, seq`,
    )) {
      lost.set(queue, [...(lost.get(queue) ?? []), ...ranges]);
    }
    this.database.exec(`DELETE FROM messages WHERE ${isEmpty}`);
  }

  private countReferences(): void {
    this.database.exec(`
      UPDATE bodies SET refs = coalesce((SELECT count FROM counted WHERE body = bodies.seq), 0);
      DELETE FROM bodies WHERE refs = 0 AND kept = 0;
    `);
  }

  /** Where it is not known up to where messages may have been out, all of them may. */
  private settleMarks(): void {
    if (!this.gaps.has("leased_upto") && !this.isBehind) return;
    this.database.exec(`
      INSERT OR REPLACE INTO leased_upto (queue, priority, seq)
      SELECT queue, priority, max(seq) FROM messages WHERE due_at IS NULL GROUP BY queue, priority;
    `);
  }

  private settleMeta(): void {
    const newest = Math.max(
      ...["messages", "dead", "bodies", "known"].map((table) => this.number(`SELECT max(seq) FROM ${table}`)),
    );
    const noted = this.number("SELECT value FROM meta WHERE key = 'last_seq'");
    const isNoted = !this.isBehind && !this.gaps.has("meta") && noted >= newest && Number.isSafeInteger(noted);
    this.database
      .prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('last_seq', ?)")
      .run(isNoted ? noted : Math.max(newest, plausible(noted)) + SEQ_MARGIN);
    this.database.exec(`
      INSERT OR IGNORE INTO meta (key, value) VALUES ('ids_since', 0), ('ids_young', 0), ('probe', 0), ('commits', 0), ('open', 0), ('resident_from', 0);
      UPDATE meta SET value = 0 WHERE key = 'open';
      UPDATE meta SET value = 0 WHERE key = 'ids_young' AND value NOT IN (0, 1);
    `);
  }

  /** Of messages and dead letters only what no index tells. */
  private unreadable(): Map<string, readonly SeqRange[]> {
    const unreadable = new Map(
      [...this.gaps].filter(([table]) => {
        if (table === "queues" || table === "messages" || table === "dead") return this.damagedIndexes.has(table);
        return table !== "meta" && table !== "leased_upto" && table !== "blocks";
      }),
    );
    // No index tells of those that shared rows.
    const ofBlocks = this.gaps.get("blocks");
    if (ofBlocks) unreadable.set("messages", mergeRanges([...(unreadable.get("messages") ?? []), ...ofBlocks]));
    return unreadable;
  }

  private byQueue(sql: string): SeqsByQueue {
    const found: SeqsByQueue = new Map();
    const names = new Map(
      this.all<{ no: number; address: string }>("SELECT no, address FROM queues").map(({ no, address }) => [
        no,
        address,
      ]),
    );
    for (const { seq, queue } of this.database.prepare(sql).iterate() as IterableIterator<{
      seq: number;
      queue: number;
    }>) {
      const name = names.get(queue) ?? `queue ${queue}`;
      const ranges = found.get(name) ?? [];
      addSeq(ranges, seq);
      found.set(name, ranges);
    }
    return found;
  }

  private all<Row>(sql: string): Row[] {
    return this.database.prepare(sql).all() as Row[];
  }

  private number(sql: string): number {
    return Number(this.database.prepare(sql).pluck().get() ?? 0);
  }
}

function plausible(seq: number): number {
  return Number.isSafeInteger(seq) && seq < Number.MAX_SAFE_INTEGER / 2 ? seq : 0;
}
