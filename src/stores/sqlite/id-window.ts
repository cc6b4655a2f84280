import type { Database, Statement } from "better-sqlite3";
import { fingerprintIn, fingerprintOf, Fingerprints } from "./fingerprints";

/** Characters of a row past which the next ids begin another: one that is added to is written anew. */
const ROW_LENGTH = 4_000;
const LINE_BREAK = 0x0a;
const TAB = 0x09;
const ZERO = 0x30;

/**
 * The ids that were published of late, in two generations of which the younger takes new ones. When it is full or old
 * enough, the older is emptied and takes its place: an id is remembered for one window at least, two at most, and less
 * only when more than `dedupMaxIds` come in one.
 */
export class IdWindow {
  private readonly generations: readonly [Generation, Generation];
  private youngNo: 0 | 1;
  /** When the young one began, or was found: what another process had for the time says nothing of this one's. */
  private since: number | undefined;
  private readonly setYoung: Statement;

  constructor(
    private readonly database: Database,
    private readonly settings: { readonly dedupWindowMs: number; readonly dedupMaxIds: number },
  ) {
    this.generations = [new Generation(database, "ids_0"), new Generation(database, "ids_1")];
    this.setYoung = database.prepare("UPDATE meta SET value = ? WHERE key = 'ids_young'");
    const young = database.prepare("SELECT value FROM meta WHERE key = 'ids_young'").pluck();
    this.youngNo = young.get() === 1 ? 1 : 0;
  }

  /** @returns the seq that a remembered id has, or 0. */
  find(queueNo: number, id: string): number {
    const hash = fingerprintOf(queueNo, id);
    return this.older.find(hash, queueNo, id) || this.young.find(hash, queueNo, id);
  }

  /** Remembers an id. @returns the seq that it had before, or 0. */
  remember(queueNo: number, id: string, seq: number): number {
    const hash = fingerprintOf(queueNo, id);
    const former = this.older.find(hash, queueNo, id) || this.young.find(hash, queueNo, id);
    if (former === 0) this.young.add(hash, queueNo, id, seq);
    return former;
  }

  /** Between transactions: starts a new generation when the young one is full or old enough. */
  rotate(now: number): void {
    const { dedupWindowMs, dedupMaxIds } = this.settings;
    this.since ??= now;
    // Guard against a clock that was set back: the window would else not end for as long.
    const isOld = now - this.since >= dedupWindowMs || now < this.since;
    if (this.young.size < dedupMaxIds && !isOld) return;
    const isIdle = this.young.size === 0 && this.older.size === 0;
    const next = this.youngNo === 0 ? 1 : 0;
    if (!isIdle) {
      this.database.transaction(() => {
        this.generations[next].clearRows();
        this.setYoung.run(next);
      })();
      this.generations[next].forgetAll();
      this.youngNo = next;
    }
    this.since = now;
  }

  /** Last in a transaction: writes what is to be remembered. */
  write(): void {
    this.young.write();
  }

  /** The transaction was committed. */
  keep(): void {
    this.young.keep();
  }

  /** The transaction was rolled back. */
  forget(): void {
    this.young.forget();
  }

  /** Numbers of the queues that ids were remembered of as this was opened. */
  queueNumbers(): Set<number> {
    return new Set(this.generations.flatMap(({ queueNumbers }) => [...queueNumbers]));
  }

  private get young(): Generation {
    return this.generations[this.youngNo];
  }

  private get older(): Generation {
    return this.generations[this.youngNo === 0 ? 1 : 0];
  }
}

/** Ids as rows of many, each a line of queue, id and seq that begins with the line break: a row each would cost each publish. */
class Generation {
  /** Of the ids that were there at the start. */
  readonly queueNumbers = new Set<number>();
  private readonly fingerprints = new Fingerprints();
  private count = 0;
  /** The row that takes new ids, as it was committed, and what this transaction adds to it. */
  private openNo = 1;
  private openLines = "";
  private added = "";
  private addedCount = 0;
  /** The row that was read last: ids that are sent again were mostly sent together. */
  private readNo = 0;
  private readLines = "";
  private readonly upsert: Statement;
  private readonly read: Statement;
  private readonly clear: Statement;

  constructor(database: Database, table: string) {
    this.upsert = database.prepare(`INSERT OR REPLACE INTO ${table} (no, lines) VALUES (?, ?)`);
    this.read = database.prepare(`SELECT lines FROM ${table} WHERE no = ?`).pluck();
    this.clear = database.prepare(`DELETE FROM ${table}`);
    // As bytes: to make texts of them costs a start more than all the rest.
    const all = database.prepare(`SELECT no, CAST(lines AS BLOB) FROM ${table} ORDER BY no`).raw();
    const hashesOf = new Map<number, Int32Array>();
    for (const [no, lines] of all.iterate() as IterableIterator<[number, Buffer]>) {
      const hashes: number[] = [];
      eachId(lines, (queueNo, from, to) => {
        hashes.push(fingerprintIn(queueNo, lines, from, to));
        this.queueNumbers.add(queueNo);
      });
      hashesOf.set(no, Int32Array.from(hashes));
      this.count += hashes.length;
    }
    this.fingerprints.reserve(this.count);
    for (const [no, hashes] of hashesOf) {
      for (const hash of hashes) this.fingerprints.add(hash, no);
      this.openNo = no + 1;
    }
  }

  /** Ids that are remembered. */
  get size(): number {
    return this.count;
  }

  /** @returns the seq of an id, or 0. */
  find(hash: number, queueNo: number, id: string): number {
    const { fingerprints } = this;
    for (let slot = fingerprints.slotOf(hash); slot !== -1; slot = fingerprints.slotAfter(slot, hash)) {
      const seq = seqIn(this.linesOf(fingerprints.rowAt(slot)), queueNo, id);
      if (seq !== 0) return seq;
    }
    return 0;
  }

  /** Takes an id that is not here. */
  add(hash: number, queueNo: number, id: string, seq: number): void {
    if (this.added === "" && this.openLines.length >= ROW_LENGTH) {
      this.openNo++;
      this.openLines = "";
    }
    this.added += `\n${queueNo}\t${id}\t${seq}`;
    this.addedCount++;
    this.fingerprints.add(hash, this.openNo);
  }

  write(): void {
    if (this.added !== "") this.upsert.run(this.openNo, this.openLines + this.added);
  }

  keep(): void {
    this.openLines += this.added;
    this.count += this.addedCount;
    this.forget();
  }

  /** What is left of it among the fingerprints leads to a row that does not have it. */
  forget(): void {
    this.added = "";
    this.addedCount = 0;
  }

  clearRows(): void {
    this.clear.run();
  }

  /** Its rows are gone. */
  forgetAll(): void {
    this.fingerprints.clear();
    this.count = 0;
    this.openNo = 1;
    this.openLines = "";
    this.readNo = 0;
  }

  private linesOf(no: number): string {
    if (no === this.openNo) return this.openLines + this.added;
    if (no !== this.readNo) {
      this.readLines = (this.read.get(no) as string | undefined) ?? "";
      this.readNo = no;
    }
    return this.readLines;
  }
}

/** @param take told of each id in the lines of a row, and from where to where it stands. */
function eachId(lines: Uint8Array, take: (queueNo: number, from: number, to: number) => void): void {
  for (let at = 0; at < lines.length; at++) {
    let queueNo = 0;
    for (at++; at < lines.length && lines[at] !== TAB; at++) queueNo = queueNo * 10 + (lines[at] ?? 0) - ZERO;
    const from = ++at;
    while (at < lines.length && lines[at] !== TAB) at++;
    take(queueNo, from, at);
    while (at + 1 < lines.length && lines[at + 1] !== LINE_BREAK) at++;
  }
}

function seqIn(lines: string, queueNo: number, id: string): number {
  const line = `\n${queueNo}\t${id}\t`;
  const at = lines.indexOf(line);
  if (at === -1) return 0;
  const end = lines.indexOf("\n", at + 1);
  return Number(lines.slice(at + line.length, end === -1 ? undefined : end));
}
