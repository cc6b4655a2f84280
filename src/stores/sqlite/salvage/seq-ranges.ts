/** Seqs from one to another, both inclusive. */
export interface SeqRange {
  readonly from: number;
  readonly to: number;
}

/** Adds seqs in ascending order to ranges of those that follow one another. */
export function addSeq(ranges: SeqRange[], from: number, to = from): void {
  const last = ranges[ranges.length - 1];
  if (last && from <= last.to + 1) ranges[ranges.length - 1] = { from: last.from, to: Math.max(last.to, to) };
  else if (to >= from) ranges.push({ from, to });
}

/** Ranges that overlap or touch become one. */
export function mergeRanges(ranges: readonly SeqRange[]): SeqRange[] {
  const merged: SeqRange[] = [];
  for (const { from, to } of [...ranges].sort((left, right) => left.from - right.from)) addSeq(merged, from, to);
  return merged;
}

export function rangeText({ from, to }: SeqRange): string {
  return from === to ? String(from) : `${from}–${Number.isFinite(to) ? to : "the newest"}`;
}

/** How many seqs are in them. */
export function sizeOfRanges(ranges: readonly SeqRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}
