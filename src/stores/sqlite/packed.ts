/**
 * Numbers and texts on their way to another thread. Copying one array of numbers and texts that are joined costs a
 * fraction of copying a list of as many values, let alone objects.
 */
export interface Packed {
  /** Numbers, and for each text its length; NaN where there is none. */
  readonly numbers: Float64Array;
  /** The texts one after the other, each in one piece with those beside it. */
  readonly pieces: readonly string[];
}

/**
 * Characters of a piece past which the next text begins another. What is cut out of a piece keeps all of it in memory,
 * and a text of a hundred thousand is put at once, on either side, where memory is collected seldom.
 */
const PIECE_LENGTH = 4_096;

/** Writes values in the order in which `Unpacker` reads them. */
export class Packer {
  private cells: Float64Array;
  private count = 0;
  private readonly pieces: string[] = [];
  private piece = "";

  /** @param capacity numbers and texts that are to be expected. */
  constructor(capacity: number) {
    this.cells = new Float64Array(Math.max(capacity, 16));
  }

  number(value: number | null | undefined): this {
    if (this.count === this.cells.length) this.grow(1);
    this.cells[this.count++] = value ?? NaN;
    return this;
  }

  /** Numbers of which there is one each. */
  numbers(values: ArrayLike<number>): this {
    if (this.count + values.length > this.cells.length) this.grow(values.length);
    this.cells.set(values, this.count);
    this.count += values.length;
    return this;
  }

  string(value: string | null | undefined): this {
    if (value === undefined || value === null) return this.number(NaN);
    if (this.piece.length >= PIECE_LENGTH) this.endPiece();
    this.piece += value;
    return this.number(value.length);
  }

  pack(): Packed {
    this.endPiece();
    return { numbers: this.cells.slice(0, this.count), pieces: this.pieces };
  }

  private endPiece(): void {
    if (this.piece !== "") this.pieces.push(this.piece);
    this.piece = "";
  }

  /** @param by cells that it lacks at the most. */
  private grow(by: number): void {
    const cells = new Float64Array(Math.max(this.cells.length * 2, this.cells.length + by));
    cells.set(this.cells);
    this.cells = cells;
  }
}

/** Reads what a `Packer` wrote. */
export class Unpacker {
  private at = 0;
  private pieceAt = 0;
  /** In that piece. */
  private textAt = 0;

  constructor(private readonly packed: Packed) {}

  get done(): boolean {
    return this.at >= this.packed.numbers.length;
  }

  number(): number {
    const value = this.packed.numbers[this.at++];
    if (value === undefined) throw new Error("a packed list ended early");
    return value;
  }

  numberOrNull(): number | null {
    const value = this.number();
    return Number.isNaN(value) ? null : value;
  }

  stringOrNull(): string | null {
    const length = this.number();
    if (Number.isNaN(length)) return null;
    if (length === 0) return "";
    if (this.textAt === this.packed.pieces[this.pieceAt]?.length) {
      this.pieceAt++;
      this.textAt = 0;
    }
    const from = this.textAt;
    this.textAt += length;
    return this.packed.pieces[this.pieceAt]?.slice(from, this.textAt) ?? "";
  }

  /** So many numbers that `Packer.numbers` wrote. */
  numbers(count: number): Float64Array {
    const from = this.at;
    this.at += count;
    if (this.at > this.packed.numbers.length) throw new Error("a packed list ended early");
    return this.packed.numbers.subarray(from, this.at);
  }

  string(): string {
    return this.stringOrNull() ?? "";
  }
}
