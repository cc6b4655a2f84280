/**
 * Numbers and texts on their way to another thread. Copying one array of numbers and one long text costs a fraction of
 * copying a list of as many values, let alone objects.
 */
export interface Packed {
  /** Numbers, and for each text its length; NaN where there is none. */
  readonly numbers: Float64Array;
  readonly text: string;
}

/** Writes values in the order in which `Unpacker` reads them. */
export class Packer {
  private numbers: Float64Array;
  private count = 0;
  private text = "";

  /** @param capacity numbers and texts that are to be expected. */
  constructor(capacity: number) {
    this.numbers = new Float64Array(Math.max(capacity, 16));
  }

  number(value: number | null | undefined): this {
    if (this.count === this.numbers.length) this.grow();
    this.numbers[this.count++] = value ?? NaN;
    return this;
  }

  string(value: string | null | undefined): this {
    if (value === undefined || value === null) return this.number(NaN);
    this.text += value;
    return this.number(value.length);
  }

  pack(): Packed {
    return { numbers: this.numbers.slice(0, this.count), text: this.text };
  }

  private grow(): void {
    const numbers = new Float64Array(this.numbers.length * 2);
    numbers.set(this.numbers);
    this.numbers = numbers;
  }
}

/** Reads what a `Packer` wrote. */
export class Unpacker {
  private at = 0;
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
    const from = this.textAt;
    this.textAt += length;
    return this.packed.text.slice(from, this.textAt);
  }

  string(): string {
    return this.stringOrNull() ?? "";
  }
}
