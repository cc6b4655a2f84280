const LEAST_SLOTS = 4_096;
/** Slots for each entry, at the least: those that meet stay few. */
const SPREAD = 2;
/** Nobody can choose ids that all meet: each process has numbers of its own. */
const SEED = (Math.random() * 2 ** 32) | 0;
const FACTOR = 0x01000193;
const LAST_OF_ONE_BYTE = 0x7f;

/**
 * In which row an id may be, for a million ids in 16 MB. An id that is not here is nowhere; for one that is, the row has
 * to be looked at, since others have the same fingerprint.
 */
export class Fingerprints {
  /** A fingerprint and its row, 0 where it is free, side by side: they are looked at together. */
  private slots = new Int32Array(2 * LEAST_SLOTS);
  private count = 0;

  /** Makes room for so many, which costs less than to grow with each of them. */
  reserve(count: number): void {
    let length = this.slots.length;
    while (length < 2 * SPREAD * count) length *= 2;
    if (length > this.slots.length) this.growTo(length);
  }

  add(hash: number, row: number): void {
    this.reserve(++this.count);
    this.put(hash, row);
  }

  /** The first slot of a fingerprint; -1: there is none. */
  slotOf(hash: number): number {
    return this.slotFrom((2 * hash) & (this.slots.length - 1), hash);
  }

  /** The next slot of a fingerprint after this one; -1: there is none. */
  slotAfter(slot: number, hash: number): number {
    return this.slotFrom((slot + 2) & (this.slots.length - 1), hash);
  }

  rowAt(slot: number): number {
    return this.slots[slot + 1] ?? 0;
  }

  clear(): void {
    this.slots = new Int32Array(2 * LEAST_SLOTS);
    this.count = 0;
  }

  private slotFrom(start: number, hash: number): number {
    const { slots } = this;
    const mask = slots.length - 1;
    for (let slot = start; slots[slot + 1] !== 0; slot = (slot + 2) & mask) if (slots[slot] === hash) return slot;
    return -1;
  }

  private put(hash: number, row: number): void {
    const { slots } = this;
    const mask = slots.length - 1;
    let slot = (2 * hash) & mask;
    while (slots[slot + 1] !== 0) slot = (slot + 2) & mask;
    slots[slot] = hash;
    slots[slot + 1] = row;
  }

  private growTo(length: number): void {
    const { slots } = this;
    this.slots = new Int32Array(length);
    for (let slot = 0; slot < slots.length; slot += 2) {
      const row = slots[slot + 1] ?? 0;
      if (row !== 0) this.put(slots[slot] ?? 0, row);
    }
  }
}

/** Of an id in a queue. */
export function fingerprintOf(queueNo: number, id: string): number {
  let hash = seedOf(queueNo);
  for (let at = 0; at < id.length; at++) {
    const code = id.charCodeAt(at);
    if (code > LAST_OF_ONE_BYTE) return fingerprintIn(queueNo, Buffer.from(id));
    hash = Math.imul(hash ^ code, FACTOR);
  }
  return spread(hash);
}

/** Of the id that stands in UTF-8 from one place to another, in a queue. */
export function fingerprintIn(queueNo: number, bytes: Uint8Array, from = 0, to = bytes.length): number {
  let hash = seedOf(queueNo);
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), FACTOR);
  return spread(hash);
}

function seedOf(queueNo: number): number {
  return Math.imul(SEED ^ queueNo, 0x85ebca6b);
}

/** Slots go by the lower bits. */
function spread(hash: number): number {
  return hash ^ (hash >>> 15);
}
