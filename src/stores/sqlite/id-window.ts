import type { Database, Statement } from "better-sqlite3";

/**
 * The ids that were published of late, in two generations of which the younger takes new ones. When it is full or old
 * enough, the older is emptied and takes its place: an id is remembered for one window at least, two at most, and less
 * only when more than `dedupMaxIds` come in one.
 */
export class IdWindow {
  private readonly generations: readonly [Generation, Generation];
  private youngNo: 0 | 1;
  private since: number;
  private count: number;
  private olderIsEmpty: boolean;
  private readonly setMeta: Statement;

  constructor(
    private readonly database: Database,
    private readonly settings: { readonly dedupWindowMs: number; readonly dedupMaxIds: number },
  ) {
    this.generations = [new Generation(database, "ids_0"), new Generation(database, "ids_1")];
    const meta = database.prepare("SELECT value FROM meta WHERE key = ?").pluck();
    this.setMeta = database.prepare("UPDATE meta SET value = ? WHERE key = ?");
    this.youngNo = meta.get("ids_young") === 1 ? 1 : 0;
    this.since = Number(meta.get("ids_since"));
    this.count = this.young.count();
    this.olderIsEmpty = this.older.count() === 0;
  }

  /** @returns the seq that a remembered id has, or 0. */
  find(queueNo: number, id: string): number {
    return Number(this.older.find.get(id, queueNo) ?? this.young.find.get(id, queueNo) ?? 0);
  }

  /** Remembers an id. @returns the seq that it had before, or 0. */
  remember(queueNo: number, id: string, seq: number): number {
    if (!this.olderIsEmpty) {
      const former = this.older.find.get(id, queueNo);
      if (former !== undefined) return Number(former);
    }
    if (this.young.insert.run(id, queueNo, seq).changes === 1) {
      this.count++;
      return 0;
    }
    return Number(this.young.find.get(id, queueNo));
  }

  /** Between transactions: starts a new generation when the young one is full or old enough. */
  rotate(now: number): void {
    const { dedupWindowMs, dedupMaxIds } = this.settings;
    // Guard against a clock that was set back: the window would else not end for as long.
    const isOld = now - this.since >= dedupWindowMs || now < this.since;
    if (this.count < dedupMaxIds && !isOld) return;
    const isIdle = this.count === 0 && this.olderIsEmpty;
    const next = this.youngNo === 0 ? 1 : 0;
    if (!isIdle) {
      this.database.transaction(() => {
        this.generations[next].clear.run();
        this.setMeta.run(next, "ids_young");
        this.setMeta.run(now, "ids_since");
      })();
      this.olderIsEmpty = this.count === 0;
      this.youngNo = next;
      this.count = 0;
    }
    this.since = now;
  }

  private get young(): Generation {
    return this.generations[this.youngNo];
  }

  private get older(): Generation {
    return this.generations[this.youngNo === 0 ? 1 : 0];
  }
}

class Generation {
  readonly find: Statement;
  readonly insert: Statement;
  readonly clear: Statement;
  private readonly counting: Statement;

  constructor(database: Database, table: string) {
    this.find = database.prepare(`SELECT seq FROM ${table} WHERE id = ? AND queue = ?`).pluck();
    this.insert = database.prepare(`INSERT OR IGNORE INTO ${table} (id, queue, seq) VALUES (?, ?, ?)`);
    this.clear = database.prepare(`DELETE FROM ${table}`);
    this.counting = database.prepare(`SELECT count(*) FROM ${table}`).pluck();
  }

  count(): number {
    return Number(this.counting.get());
  }
}
