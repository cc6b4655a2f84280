/** A value as a record holds it; SQLite's integers are read as numbers, since Waybill writes no larger ones. */
export type Value = number | string | Buffer | null;

/** A number of 1 to 9 bytes as SQLite packs it. */
export interface Varint {
  readonly value: number;
  /** Where what follows begins. */
  readonly end: number;
}

/** Reads a packed number. Gives NaN where the bytes end, so that every comparison with it fails. */
export function readVarint(bytes: Buffer, at: number): Varint {
  let value = 0;
  for (let count = 0; count < 8; count++) {
    const byte = bytes[at + count];
    if (byte === undefined) return { value: NaN, end: at };
    if (byte < 0x80) return { value: value * 128 + byte, end: at + count + 1 };
    value = value * 128 + (byte & 0x7f);
  }
  const last = bytes[at + 8];
  return last === undefined ? { value: NaN, end: at } : { value: value * 256 + last, end: at + 9 };
}

/**
 * Reads a row or an index entry.
 *
 * @returns undefined when the bytes are none.
 */
export function decodeRecord(payload: Buffer): Value[] | undefined {
  const header = readVarint(payload, 0);
  if (!(header.value >= header.end && header.value <= payload.length)) return undefined;
  const values: Value[] = [];
  let bodyAt = header.value;
  for (let at = header.end; at < header.value;) {
    const type = readVarint(payload, at);
    if (!(type.end > at && type.end <= header.value)) return undefined;
    at = type.end;
    const bytes = bytesOf(type.value);
    if (bytes === undefined || bodyAt + bytes > payload.length) return undefined;
    values.push(decodeValue(payload, bodyAt, type.value, bytes));
    bodyAt += bytes;
  }
  return bodyAt === payload.length ? values : undefined;
}

const INTEGER_BYTES = [0, 1, 2, 3, 4, 6, 8] as const;

function bytesOf(type: number): number | undefined {
  if (type >= 12) return Math.floor((type - 12) / 2);
  if (type === 7) return 8;
  if (type === 8 || type === 9) return 0;
  return INTEGER_BYTES[type];
}

function decodeValue(payload: Buffer, at: number, type: number, bytes: number): Value {
  if (type === 0) return null;
  if (type === 8) return 0;
  if (type === 9) return 1;
  if (type === 7) return payload.readDoubleBE(at);
  if (type === 6) return Number(payload.readBigInt64BE(at));
  if (type < 6) return payload.readIntBE(at, bytes);
  return type % 2 === 1 ? payload.toString("utf8", at, at + bytes) : payload.subarray(at, at + bytes);
}

/** As SQLite orders: nothing, numbers, text by its bytes. */
export function compareValues(left: Value, right: Value): number {
  const ranks = rankOf(left) - rankOf(right);
  if (ranks !== 0) return ranks;
  if (typeof left === "number" && typeof right === "number") return left - right;
  if (typeof left === "string" && typeof right === "string") {
    // UTF-16 and UTF-8 agree on the order of most text, and always on what is equal.
    return left === right ? 0 : Buffer.compare(Buffer.from(left), Buffer.from(right));
  }
  return left instanceof Buffer && right instanceof Buffer ? Buffer.compare(left, right) : 0;
}

function rankOf(value: Value): number {
  if (value === null) return 0;
  if (typeof value === "number") return 1;
  return typeof value === "string" ? 2 : 3;
}
