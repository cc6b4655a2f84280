import { crc32 } from "node:zlib";
import { compareValues, type Value } from "./record";

/** Counts entries, and adds up what they are, so that two lists of any order can be found equal without keeping them. */
export class EntrySum {
  private count = 0;
  private sum = 0;

  /** @param times how often the entry is there. */
  add(values: readonly Value[], times = 1): void {
    let hash = values.length;
    for (const value of values) hash = Math.imul(hash ^ hashOf(value), 0x9e3779b1) ^ (hash >>> 15);
    this.count += times;
    this.sum = (this.sum + Math.imul(hash, times)) | 0;
  }

  equals(other: EntrySum): boolean {
    return this.count === other.count && this.sum === other.sum;
  }
}

function hashOf(value: Value): number {
  if (value === null) return 1;
  if (typeof value === "number") return (value | 0) ^ Math.imul(Math.floor(value / 2 ** 32), 0x85ebca6b);
  return typeof value === "string" ? crc32(value) : ~crc32(value);
}

/** Notes entries one after another. @returns whether each comes after the one before it. */
export function orderCheck(keyColumns: number): (values: readonly Value[]) => boolean {
  let last: readonly Value[] | undefined;
  return (values) => {
    const before = last;
    last = values;
    if (before === undefined) return true;
    for (let place = 0; place < keyColumns; place++) {
      const order = compareValues(before[place] ?? null, values[place] ?? null);
      if (order !== 0) return order < 0;
    }
    return false;
  };
}
