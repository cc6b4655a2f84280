const LEAST_SLOTS = 4_096;
/** Slots for each entry, at the least: those that meet stay few. */
const SPREAD = 2;
/** Nobody can choose ids that all meet: each process has numbers of its own. */
const SEED = (Math.random() * 2 ** 32) | 0;
const FACTOR = 0x01000193;
const LAST_OF_ONE_BYTE = 0x7f;

/**
 * In which row an id may be, for a million ids in 18 MB. An id that is not here is nowhere; for one that is, the row has
 * to be looked at, since others have the same fingerprint.
 */
export class Fingerprints {
  /**
   * A byte of each fingerprint, 0 where a slot is free. Mostly an id is new, and these tell: they are few enough to be in
   * the processor's cache, where the fingerprints of a million ids are not.
   */
  private tags = new Uint8Array(LEAST_SLOTS);
  /** A fingerprint and its row, side by side: they are looked at together. */
  private slots = new Int32Array(2 * LEAST_SLOTS);
  private count = 0;

  /** Makes room for so many, which costs less than to grow with each of them. */
  reserve(count: number): void {
    let length = this.tags.length;
    while (length < SPREAD * count) length *= 2;
    if (length > this.tags.length) this.growTo(length);
  }

  add(hash: number, row: number): void {
    this.reserve(++this.count);
    this.put(hash, row);
  }

  /** The first slot of a fingerprint; -1: there is none. */
  slotOf(hash: number): number {
    return this.slotFrom(hash & (this.tags.length - 1), hash);
  }

  /** The next slot of a fingerprint after this one; -1: there is none. */
  slotAfter(slot: number, hash: number): number {
    return this.slotFrom((slot + 1) & (this.tags.length - 1), hash);
  }

  rowAt(slot: number): number {
    return this.slots[2 * slot + 1] ?? 0;
  }

  clear(): void {
    this.tags = new Uint8Array(LEAST_SLOTS);
    this.slots = new Int32Array(2 * LEAST_SLOTS);
    this.count = 0;
  }

  private slotFrom(start: number, hash: number): number {
    const { tags } = this;
    const mask = tags.length - 1;
    const tag = tagOf(hash);
    for (let slot = start; tags[slot] !== 0; slot = (slot + 1) & mask) {
      if (tags[slot] === tag && this.slots[2 * slot] === hash) return slot;
    }
    return -1;
  }

  private put(hash: number, row: number): void {
    const { tags } = this;
    const mask = tags.length - 1;
    let slot = hash & mask;
    while (tags[slot] !== 0) slot = (slot + 1) & mask;
    tags[slot] = tagOf(hash);
    this.slots[2 * slot] = hash;
    this.slots[2 * slot + 1] = row;
  }

  private growTo(length: number): void {
    const { tags, slots } = this;
    this.tags = new Uint8Array(length);
    this.slots = new Int32Array(2 * length);
    for (let slot = 0; slot < tags.length; slot++) {
      if (tags[slot] !== 0) this.put(slots[2 * slot] ?? 0, slots[2 * slot + 1] ?? 0);
    }
  }
}

/** Of its upper bits, since the lower ones say where it is looked for; never 0. */
function tagOf(hash: number): number {
  return (hash >>> 25) | 0x80;
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
