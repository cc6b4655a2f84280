import type { Database, Statement } from "better-sqlite3";
import { BlockHeads, headsCheck, runCheck, stateCheck, type PackedBlock } from "./block";
import { StoredBlock } from "./block-index";
import { DamagedError } from "./damage";

type HeadsRow = readonly [heads: Buffer, check: number];
type RunRow = readonly [text: string, check: number];
type BlockRow = readonly [
  firstSeq: number,
  heads: Buffer,
  check: number,
  gone: Buffer | null,
  attempts: Buffer | null,
  stateCheck: number | null,
];

/** Blocks as rows of the file: what was stored, which stays as it is, and beside it what has become of it since. */
export class BlockRows {
  private readonly insertHeads: Statement;
  private readonly deleteHeads: Statement;
  private readonly insertRun: Statement;
  private readonly deleteRuns: Statement;
  private readonly saveState: Statement;
  private readonly deleteState: Statement;
  private readonly headsRow: Statement;
  private readonly runRow: Statement;
  private readonly allRows: Statement;

  constructor(database: Database) {
    this.insertHeads = database.prepare("INSERT INTO blocks (first_seq, heads, heads_check) VALUES (?, ?, ?)");
    this.deleteHeads = database.prepare("DELETE FROM blocks WHERE first_seq = ?");
    this.insertRun = database.prepare("INSERT INTO block_runs (first_seq, text, text_check) VALUES (?, ?, ?)");
    this.deleteRuns = database.prepare("DELETE FROM block_runs WHERE first_seq BETWEEN ? AND ?");
    this.saveState = database.prepare(
      "INSERT OR REPLACE INTO block_states (first_seq, gone, attempts, state_check) VALUES (?, ?, ?, ?)",
    );
    this.deleteState = database.prepare("DELETE FROM block_states WHERE first_seq = ?");
    this.headsRow = database.prepare("SELECT heads, heads_check FROM blocks WHERE first_seq = ?").raw();
    this.runRow = database.prepare("SELECT text, text_check FROM block_runs WHERE first_seq = ?").raw();
    this.allRows = database
      .prepare(
        `SELECT b.first_seq, b.heads, b.heads_check, s.gone, s.attempts, s.state_check
         FROM blocks b LEFT JOIN block_states s ON s.first_seq = b.first_seq ORDER BY b.first_seq`,
      )
      .raw();
  }

  insert({ firstSeq, heads: cells, runs }: PackedBlock): void {
    const heads = new BlockHeads(firstSeq, cells);
    const bytes = Buffer.from(cells.buffer, cells.byteOffset, cells.byteLength);
    this.insertHeads.run(firstSeq, bytes, headsCheck(heads));
    let next = 0;
    for (const { firstSeq: runSeq } of heads.runs()) {
      const text = runs[next++] ?? "";
      this.insertRun.run(runSeq, text, runCheck(runSeq, text));
    }
  }

  save({ firstSeq, count, gone = new Uint8Array((count + 7) >> 3), attempts }: StoredBlock): void {
    const counts = attempts ? Buffer.from(attempts.buffer) : null;
    this.saveState.run(firstSeq, gone, counts, stateCheck(firstSeq, gone, counts));
  }

  delete({ firstSeq, lastSeq }: StoredBlock): void {
    this.deleteHeads.run(firstSeq);
    this.deleteRuns.run(firstSeq, lastSeq);
    this.deleteState.run(firstSeq);
  }

  /** @throws DamagedError when they are not what was stored. */
  heads({ firstSeq }: StoredBlock): BlockHeads {
    const [bytes, check] = (this.headsRow.get(firstSeq) ?? []) as Partial<HeadsRow>;
    const heads = BlockHeads.of(firstSeq, bytes ?? Buffer.alloc(0));
    if (headsCheck(heads) !== check) throw new DamagedError(`message ${firstSeq} is not what was stored`);
    return heads;
  }

  /** What the messages say that are in the run from a seq on. @throws DamagedError when it is not what was stored. */
  runText(firstSeq: number): string {
    const [text, check] = (this.runRow.get(firstSeq) ?? []) as Partial<RunRow>;
    // Bytes are no text, also where they read the same.
    if (typeof text === "string" && runCheck(firstSeq, text) === check) return text;
    throw new DamagedError(`message ${firstSeq} is not what was stored`);
  }

  /** All blocks in order, with their heads. @throws DamagedError when one is not what was stored. */
  *all(): Iterable<{ readonly block: StoredBlock; readonly heads: BlockHeads }> {
    for (const row of this.allRows.iterate() as IterableIterator<BlockRow>) {
      const [firstSeq, headBytes, check, gone, attempts, checkOfState] = row;
      const heads = BlockHeads.of(firstSeq, headBytes);
      const isWhole =
        headsCheck(heads) === check && (gone === null || stateCheck(firstSeq, gone, attempts) === checkOfState);
      if (!isWhole) throw new DamagedError(`message ${firstSeq}, or what is stored with it, is not what was stored`);
      const block = new StoredBlock(firstSeq, heads.count, heads.length);
      if (gone !== null) block.removeAll(gone);
      if (attempts !== null) block.attempts = new Uint32Array(new Uint8Array(attempts).buffer);
      yield { block, heads };
    }
  }
}
