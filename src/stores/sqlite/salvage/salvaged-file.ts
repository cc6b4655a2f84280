import fs from "node:fs";
import Database from "better-sqlite3";
import { contentCheck, type Content } from "../content-check";
import { migrate } from "../schema";
import type { TableLayout } from "../pages/layout";
import type { Value } from "../pages/record";
import { Reconciliation, type Losses } from "./reconciliation";
import { mergeRanges, type SeqRange } from "./seq-ranges";

/** Rows written in one transaction. */
const ROWS_PER_COMMIT = 10_000;
/** What indexes tell is kept here, by table: from an index that has the column `by`, and the row's number as `seq`. */
const KNOWN: Readonly<Record<string, readonly { by: string; into: string; columns: readonly string[] }[]>> = {
  messages: [
    { by: "queue", into: "known", columns: ["queue", "priority", "due_at"] },
    { by: "expires_at", into: "known_expiry", columns: ["expires_at"] },
  ],
  dead: [{ by: "queue", into: "known_dead", columns: ["queue"] }],
  bodies: [{ by: "room", into: "known_history", columns: [] }],
  queues: [{ by: "address", into: "known_queues", columns: ["address"] }],
};

/** A message that shared a row with others. */
export interface RescuedMessage extends Content {
  readonly seq: number;
  readonly queueNo: number;
  /** As `sizeOf` counts. */
  readonly bytes: number;
  readonly attempts: number;
  /** Whether it may have been given out since it was stored. */
  readonly mayBeOut: boolean;
}

type Insert = (rowid: number, values: readonly Value[]) => void;

/** The file that a salvage writes: first all rows that were found, then made to fit one another. */
export class SalvagedFile {
  private readonly database: Database.Database;
  private readonly gaps = new Map<string, readonly SeqRange[]>();
  private readonly damagedIndexes = new Set<string>();
  private readonly part: string;
  private readonly doubt: Database.Statement;
  private readonly lost: Database.Statement;
  private readonly known: Database.Statement;
  private readonly isDead: Database.Statement;
  private readonly mark: Database.Statement;
  private readonly rescued: Database.Statement;
  private readonly layAside: Database.Statement;
  private readonly laidAside: Database.Statement;
  private rows = 0;
  private maybeSettled = 0;
  private isWhole = false;

  /** @throws Error when there is a file already. */
  constructor(
    private readonly file: string,
    version: number,
  ) {
    if (fs.existsSync(file)) throw new Error(`${file} is there already`);
    this.part = `${file}.part`;
    fs.rmSync(this.part, { force: true });
    this.database = new Database(this.part);
    // Nobody uses it before it has its name, and then it is synced.
    this.database.pragma("journal_mode = MEMORY");
    this.database.pragma("synchronous = OFF");
    this.database.pragma("temp_store = FILE");
    migrate(this.database, version);
    this.database.exec(`
      DELETE FROM meta;
      CREATE TEMP TABLE known (seq INTEGER PRIMARY KEY, queue INTEGER, priority INTEGER, due_at INTEGER);
      CREATE TEMP TABLE lost (seq INTEGER PRIMARY KEY, queue INTEGER);
      CREATE TEMP TABLE known_expiry (seq INTEGER PRIMARY KEY, expires_at INTEGER);
      CREATE TEMP TABLE known_dead (seq INTEGER PRIMARY KEY, queue INTEGER);
      CREATE TEMP TABLE known_history (seq INTEGER PRIMARY KEY);
      CREATE TEMP TABLE known_queues (seq INTEGER PRIMARY KEY, address TEXT);
      CREATE TEMP TABLE laid_aside_runs (first_seq INTEGER PRIMARY KEY, text TEXT);
      CREATE TEMP TABLE doubtful (seq INTEGER PRIMARY KEY);
      BEGIN;
    `);
    this.doubt = this.database.prepare("INSERT OR IGNORE INTO doubtful (seq) VALUES (?)");
    this.lost = this.database.prepare("INSERT OR IGNORE INTO lost (seq, queue) VALUES (?, ?)");
    this.known = this.database.prepare("INSERT OR IGNORE INTO known (seq, queue, priority) VALUES (?, ?, ?)");
    this.isDead = this.database.prepare("SELECT 1 FROM dead WHERE seq = ?").pluck();
    this.mark = this.database.prepare(
      "INSERT INTO leased_upto (queue, priority, seq) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)",
    );
    this.rescued = this.database.prepare(
      `INSERT OR IGNORE INTO messages (seq, queue, priority, bytes, body, attempts, failures, id, event, payload, grp, headers, publisher, published_at, content_check)
       VALUES (:seq, :queueNo, :priority, :bytes, 0, :attempts, 0, :id, :event, :payload, :group, :headers, :publisher, :publishedAt, :check)`,
    );
    this.layAside = this.database.prepare("INSERT OR IGNORE INTO laid_aside_runs (first_seq, text) VALUES (?, ?)");
    this.laidAside = this.database.prepare("SELECT text FROM laid_aside_runs WHERE first_seq = ?").pluck();
  }

  /** Keeps contents of messages until it is known which these are. */
  layAsideRun(firstSeq: number, text: string): void {
    this.layAside.run(firstSeq, text);
  }

  laidAsideRun(firstSeq: number): string | undefined {
    return this.laidAside.get(firstSeq) as string | undefined;
  }

  inserter(table: TableLayout): Insert {
    const places = table.columns.map(() => "?").join(", ");
    const insert = this.database.prepare(
      `INSERT OR IGNORE INTO ${table.name} (${table.columns.join(", ")}) VALUES (${places})`,
    );
    const rowidAt = table.rowid === undefined ? -1 : table.columns.indexOf(table.rowid);
    return (rowid, values) => {
      const { changes } = insert.run(values.map((value, place) => (place === rowidAt ? rowid : value)));
      // Two rows under one number: which of them it is of can no longer be told.
      if (changes === 0 && table.name === "messages") this.doubt.run(rowid);
      this.noteWritten();
    };
  }

  /** For rows that may be what is left of such as ended: only those that an index knows are taken, if one can tell. */
  strayInserter(table: TableLayout): Insert {
    const insert = this.inserter(table);
    const known = KNOWN[table.name]?.[0]?.into ?? "";
    const isKnown = this.database.prepare(`SELECT 1 FROM ${known} WHERE seq = ?`).pluck();
    const isThere = this.database.prepare(`SELECT 1 FROM ${table.name} WHERE seq = ?`).pluck();
    const canTell = !this.damagedIndexes.has(table.name);
    const [bodyAt, keptAt] = [table.columns.indexOf("body"), table.columns.indexOf("kept")];
    return (rowid, values) => {
      if (isThere.get(rowid) !== undefined) return;
      if (table.name === "bodies") {
        // It may have left the history; copies may still need it.
        const kept = canTell && isKnown.get(rowid) !== undefined ? 1 : 0;
        return insert(
          rowid,
          values.map((value, place) => (place === keptAt ? kept : value)),
        );
      }
      if (canTell && isKnown.get(rowid) === undefined) return;
      // A copy has no checksum of its own to know it by.
      if (!canTell && table.name === "messages" && values[bodyAt] !== 0) return;
      if (!canTell) this.maybeSettled++;
      insert(rowid, values);
    };
  }

  /**
   * Gives a message that shared a row one of its own.
   *
   * @param isDoubtful whether it may be one that was settled.
   * @param isStray whether it was found where nothing led to.
   */
  rescue(message: RescuedMessage, isDoubtful: boolean, isStray: boolean): void {
    const { seq, queueNo, priority, mayBeOut, ...row } = message;
    if (isDoubtful && this.isDead.get(seq) !== undefined) return;
    this.known.run(seq, queueNo, priority);
    const { changes } = this.rescued.run({ ...row, seq, queueNo, priority, check: contentCheck(message) });
    // The row of its own that is there was given to it later.
    if (changes === 0) return;
    if (isDoubtful) this.doubt.run(seq);
    if (isStray) this.maybeSettled++;
    if (mayBeOut) this.mark.run(queueNo, priority, seq);
    this.noteWritten();
  }

  /** Says that a message which shared a row was there, and cannot be read. */
  noteLost(seq: number, queueNo: number): void {
    this.lost.run(seq, queueNo);
  }

  /**
   * What an entry of this index tells: which row there was, and what of it.
   *
   * @returns undefined when it tells nothing that is needed.
   */
  indexNoter(table: string, columns: readonly string[]): ((values: readonly Value[]) => void) | undefined {
    if (table === "members") return this.memberships(columns);
    const kept = KNOWN[table]?.find(({ by }) => columns.includes(by));
    if (kept === undefined) return undefined;
    const places = kept.columns.map((column) => columns.indexOf(column));
    const insert = this.database.prepare(
      `INSERT OR IGNORE INTO ${kept.into} (seq${kept.columns.map((column) => `, ${column}`).join("")}) VALUES (?${", ?".repeat(places.length)})`,
    );
    return (values) =>
      void insert.run(values[values.length - 1] ?? null, ...places.map((place) => values[place] ?? null));
  }

  /** Memberships stand in the file twice; one that is in either place is kept. */
  private memberships(columns: readonly string[]): (values: readonly Value[]) => void {
    const insert = this.database.prepare(
      `INSERT OR IGNORE INTO members (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
    );
    return (values) => void insert.run(values);
  }

  noteDamagedIndex(table: string): void {
    this.damagedIndexes.add(table);
  }

  noteGaps(table: string, gaps: readonly SeqRange[]): void {
    if (gaps.length > 0) this.gaps.set(table, mergeRanges(gaps));
  }

  /**
   * Makes a store of the rows.
   *
   * @param isBehind whether later commits are missing, which may have given out more than is to be seen.
   * @returns what is missing of it.
   */
  settle(isBehind: boolean): Losses {
    this.database.exec("COMMIT");
    const losses = new Reconciliation(this.database, this.damagedIndexes, this.gaps, isBehind).run();
    this.isWhole = true;
    return { ...losses, maybeSettled: this.maybeSettled };
  }

  /** Commits that the damaged file had, as far as it could be read. */
  get commits(): number {
    return Number(this.database.prepare("SELECT value FROM meta WHERE key = 'commits'").pluck().get());
  }

  counts(): ReadonlyMap<string, number> {
    const count = (table: string): number =>
      Number(this.database.prepare(`SELECT count(*) FROM ${table}`).pluck().get());
    const ids = this.hasIdsInLines ? (table: string): number => this.countLines(table) : count;
    const tables = ["messages", "dead", "queues", "members", "bodies"];
    return new Map([
      ...tables.map((table): [string, number] => [table, count(table)]),
      ["ids", ids("ids_0") + ids("ids_1")],
    ]);
  }

  /** Whether ids share rows: in files of an older version each has its own. */
  private get hasIdsInLines(): boolean {
    return this.database.prepare("SELECT name FROM pragma_table_info('ids_0')").pluck().all().includes("lines");
  }

  private countLines(table: string): number {
    return Number(
      this.database
        .prepare(`SELECT coalesce(sum(length(lines) - length(replace(lines, char(10), ''))), 0) FROM ${table}`)
        .pluck()
        .get(),
    );
  }

  /** Leaves nothing behind when it is closed. */
  discard(): void {
    this.isWhole = false;
  }

  /** Gives the file its name, when it is whole; else removes it. */
  close(): void {
    this.database.close();
    if (!this.isWhole) return fs.rmSync(this.part, { force: true });
    const fd = fs.openSync(this.part, "r+");
    fs.fsyncSync(fd);
    fs.closeSync(fd);
    fs.renameSync(this.part, this.file);
  }

  private noteWritten(): void {
    if (++this.rows % ROWS_PER_COMMIT === 0) this.database.exec("COMMIT; BEGIN");
  }
}
