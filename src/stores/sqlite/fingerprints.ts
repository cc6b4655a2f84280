const LEAST_SLOTS = 4_096;
/** Slots for each entry, at the least: those that meet stay few. */
const SPREAD = 2;
/** Nobody can choose ids that all meet: each process has numbers of its own. */
const SEED = (Math.random() * 2 ** 32) | 0;

/**
 * In which row an id may be, for a million ids in 16 MB. An id that is not here is nowhere; for one that is, the row has
 * to be looked at, since others have the same fingerprint.
 */
export class Fingerprints {
  private hashes = new Int32Array(LEAST_SLOTS);
  /** 0: free. */
  private rows = new Int32Array(LEAST_SLOTS);
  private count = 0;

  add(hash: number, row: number): void {
    if (++this.count * SPREAD > this.rows.length) this.grow();
    this.put(hash, row);
  }

  /** The first slot of a fingerprint; -1: there is none. */
  slotOf(hash: number): number {
    return this.slotFrom(hash & (this.rows.length - 1), hash);
  }

  /** The next slot of a fingerprint after this one; -1: there is none. */
  slotAfter(slot: number, hash: number): number {
    return this.slotFrom((slot + 1) & (this.rows.length - 1), hash);
  }

  rowAt(slot: number): number {
    return this.rows[slot] ?? 0;
  }

  clear(): void {
    this.hashes = new Int32Array(LEAST_SLOTS);
    this.rows = new Int32Array(LEAST_SLOTS);
    this.count = 0;
  }

  private slotFrom(start: number, hash: number): number {
    const mask = this.rows.length - 1;
    for (let slot = start; this.rows[slot] !== 0; slot = (slot + 1) & mask) if (this.hashes[slot] === hash) return slot;
    return -1;
  }

  private put(hash: number, row: number): void {
    const mask = this.rows.length - 1;
    let slot = hash & mask;
    while (this.rows[slot] !== 0) slot = (slot + 1) & mask;
    this.hashes[slot] = hash;
    this.rows[slot] = row;
  }

  private grow(): void {
    const { hashes, rows } = this;
    this.hashes = new Int32Array(rows.length * 2);
    this.rows = new Int32Array(rows.length * 2);
    for (let slot = 0; slot < rows.length; slot++) {
      const row = rows[slot] ?? 0;
      if (row !== 0) this.put(hashes[slot] ?? 0, row);
    }
  }
}

/** Of the id that stands in a text from one place to another, in a queue. */
export function fingerprintOf(queueNo: number, text: string, from = 0, to = text.length): number {
  let hash = Math.imul(SEED ^ queueNo, 0x85ebca6b);
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash ^ (hash >>> 15);
}
