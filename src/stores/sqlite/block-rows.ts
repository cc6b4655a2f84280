import { crc32 } from "node:zlib";
import type { Database, Statement } from "better-sqlite3";
import { areHeadsWhole, BlockContents, BlockHeads, checksOf, type PackedBlock } from "./block";
import { StoredBlock } from "./block-index";
import { DamagedError } from "./damage";

type BlockRow = readonly [heads: Buffer, checks: Buffer, text: string];
type HeadRow = readonly [
  firstSeq: number,
  heads: Buffer,
  checks: Buffer,
  gone: Buffer | null,
  attempts: Buffer | null,
  stateCheck: number | null,
];

/** Blocks as rows of the file: what was stored, which stays as it is, and beside it what has become of it since. */
export class BlockRows {
  private readonly insertRow: Statement;
  private readonly deleteRow: Statement;
  private readonly saveState: Statement;
  private readonly deleteState: Statement;
  private readonly row: Statement;
  private readonly headRows: Statement;
  private readonly headsOfRow: Statement;

  constructor(database: Database) {
    this.insertRow = database.prepare("INSERT INTO blocks (first_seq, heads, checks, text) VALUES (?, ?, ?, ?)");
    this.deleteRow = database.prepare("DELETE FROM blocks WHERE first_seq = ?");
    this.saveState = database.prepare(
      "INSERT OR REPLACE INTO block_states (first_seq, gone, attempts, state_check) VALUES (?, ?, ?, ?)",
    );
    this.deleteState = database.prepare("DELETE FROM block_states WHERE first_seq = ?");
    this.row = database.prepare("SELECT heads, checks, text FROM blocks WHERE first_seq = ?").raw();
    this.headRows = database
      .prepare(
        `SELECT b.first_seq, b.heads, b.checks, s.gone, s.attempts, s.state_check
         FROM blocks b LEFT JOIN block_states s ON s.first_seq = b.first_seq ORDER BY b.first_seq`,
      )
      .raw();
    this.headsOfRow = database.prepare("SELECT heads FROM blocks WHERE first_seq = ?").pluck();
  }

  insert({ firstSeq, heads, text }: PackedBlock): void {
    const cells = Buffer.from(heads.buffer, heads.byteOffset, heads.byteLength);
    this.insertRow.run(firstSeq, cells, checksOf(new BlockHeads(firstSeq, heads), text), text);
  }

  save({ firstSeq, count, gone = new Uint8Array((count + 7) >> 3), attempts }: StoredBlock): void {
    const counts = attempts ? Buffer.from(attempts.buffer) : null;
    this.saveState.run(firstSeq, gone, counts, stateCheck(firstSeq, gone, counts));
  }

  delete({ firstSeq }: StoredBlock): void {
    this.deleteRow.run(firstSeq);
    this.deleteState.run(firstSeq);
  }

  /** @throws DamagedError when it is not what was stored. */
  read({ firstSeq }: StoredBlock): BlockContents {
    const row = this.row.get(firstSeq) as BlockRow | undefined;
    if (row === undefined) throw new DamagedError(`the messages from ${firstSeq} on are not there any more`);
    const [heads, checks, text] = row;
    return new BlockContents(BlockHeads.of(firstSeq, heads), text, checks);
  }

  heads({ firstSeq }: StoredBlock): BlockHeads {
    return BlockHeads.of(firstSeq, this.headsOfRow.get(firstSeq) as Buffer);
  }

  /** All blocks in order, with their heads. @throws DamagedError when one is not what was stored. */
  *all(): Iterable<{ readonly block: StoredBlock; readonly heads: BlockHeads }> {
    for (const row of this.headRows.iterate() as IterableIterator<HeadRow>) {
      const [firstSeq, headBytes, checks, gone, attempts, check] = row;
      const heads = BlockHeads.of(firstSeq, headBytes);
      const isWhole = areHeadsWhole(heads, checks) && (gone === null || stateCheck(firstSeq, gone, attempts) === check);
      if (!isWhole) throw new DamagedError(`message ${firstSeq}, or what is stored with it, is not what was stored`);
      const block = new StoredBlock(firstSeq, heads.count, heads.length);
      if (gone !== null) block.removeAll(gone);
      if (attempts !== null) block.attempts = new Uint32Array(new Uint8Array(attempts).buffer);
      yield { block, heads };
    }
  }
}

/** The checksum of what has become of a block's messages. */
export function stateCheck(firstSeq: number, gone: Uint8Array, attempts: Uint8Array | null): number {
  const check = crc32(gone, crc32(String(firstSeq)));
  return attempts === null ? check : crc32(attempts, check);
}
