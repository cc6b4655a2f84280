/** Figures for people: medians with their spread, and tables. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? NaN;
  const lower = sorted[Math.ceil(middle) - 1] ?? NaN;
  return { median: (lower + upper) / 2, min: sorted[0] ?? NaN, max: sorted[sorted.length - 1] ?? NaN };
}

export function median(values: readonly number[]): number {
  return spread(values).median;
}

/**
 * How many times as much one is as the other: the median of the ratios round by round, since what else the machine does
 * changes from round to round, and less within one.
 */
export function pairedRatio(own: readonly number[], other: readonly number[]): number {
  const rounds = Math.min(own.length, other.length);
  return median(Array.from({ length: rounds }, (_, round) => (own[round] ?? NaN) / (other[round] ?? NaN)));
}

/** `12,345 (11,000–13,000)`; nothing but the median where there is only that. */
export function written({ median, min, max }: Spread, digits = 0): string {
  return min === max
    ? number(median, digits)
    : `${number(median, digits)} (${number(min, digits)}–${number(max, digits)})`;
}

export function number(value: number, digits = 0): string {
  if (Number.isNaN(value)) return "-";
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function megabytes(bytes: number): number {
  return bytes / 2 ** 20;
}

/** Columns as wide as they need; the first on the left, and those whose heading ends with a space, too. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const left = column === 0 || head[column]?.endsWith(" ") === true;
        const width = widths[column] ?? 0;
        return left ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd();
  return [head, ...rows].map(line).join("\n");
}
