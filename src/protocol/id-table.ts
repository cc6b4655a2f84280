/** Entries that are looked through one by one: hashing an id costs as much. */
const FEW = 16;
/** Entries that an empty list keeps room for. */
const KEPT_CAPACITY = 4_096;
/** Slots for each entry, so that those that meet stay few. */
const SPREAD = 2;
/** Sets one process apart from another, so that nobody can choose ids that all meet. */
const SEED = (Math.random() * 2 ** 32) | 0;

/** What can be seen of a table without changing it. */
export type ReadonlyIdTable<Value> = Pick<IdTable<Value>, "size" | "get" | "ids" | "values">;

/**
 * Values by id, in the order in which they came, for what comes and goes with each message.
 *
 * A `Map` moves to a new table after so many deletions, and each table refers to the next. As soon as the garbage
 * collector counts one of them among the old, it keeps them all until its next full collection, with what was in them
 * when they were left: a fifth of all that a busy hub allocates lived on that way. This one stays where it is.
 *
 * In each of many thousand queues there is mostly one: it is kept apart, so that no list has to be looked up for it.
 */
export class IdTable<Value> {
  /** What was set while there was none. */
  private onlyId: string | undefined;
  private only: Value | undefined;
  /** Where it has been joined by another, all of them. */
  private list: IdList<Value> | undefined;

  get size(): number {
    return this.onlyId === undefined ? (this.list?.size ?? 0) : 1;
  }

  get(id: string): Value | undefined {
    return this.onlyId === id ? this.only : this.list?.get(id);
  }

  set(id: string, value: Value): void {
    if (this.onlyId === id || this.size === 0) {
      if (this.list?.isLarge) this.list = undefined;
      this.onlyId = id;
      this.only = value;
      return;
    }
    this.list ??= new IdList();
    if (this.onlyId !== undefined) this.list.set(this.onlyId, this.only as Value);
    this.clearOnly();
    this.list.set(id, value);
  }

  /** @returns whether it was there. */
  delete(id: string): boolean {
    if (this.onlyId !== id) return this.list?.delete(id) ?? false;
    this.clearOnly();
    return true;
  }

  ids(): string[] {
    return this.onlyId === undefined ? (this.list?.ids() ?? []) : [this.onlyId];
  }

  values(): Value[] {
    return this.onlyId === undefined ? (this.list?.values() ?? []) : [this.only as Value];
  }

  private clearOnly(): void {
    this.onlyId = undefined;
    this.only = undefined;
  }
}

/** Several values by id. */
class IdList<Value> {
  private readonly entryIds: (string | undefined)[] = [];
  private readonly entries: (Value | undefined)[] = [];
  /** Entries, with those that have left. */
  private used = 0;
  private live = 0;
  /** From here on there are too many to look through one by one. */
  private index: Index | undefined;

  get size(): number {
    return this.live;
  }

  /** Whether there was room for more in it than is worth keeping for the next time. */
  get isLarge(): boolean {
    return (this.index?.capacity ?? 0) > KEPT_CAPACITY;
  }

  get(id: string): Value | undefined {
    const at = this.placeOf(id);
    return at === -1 ? undefined : this.entries[at];
  }

  set(id: string, value: Value): void {
    const hash = this.index === undefined ? 0 : hashOf(id);
    const at = this.placeOf(id, hash);
    if (at !== -1) {
      this.entries[at] = value;
      return;
    }
    this.live++;
    if (this.used === (this.index?.capacity ?? FEW)) this.makeRoom();
    this.entryIds[this.used] = id;
    this.entries[this.used] = value;
    this.index?.add(hash === 0 ? hashOf(id) : hash, this.used);
    this.used++;
  }

  /** @returns whether it was there. */
  delete(id: string): boolean {
    const at = this.placeOf(id);
    if (at === -1) return false;
    this.entryIds[at] = undefined;
    this.entries[at] = undefined;
    this.live--;
    return true;
  }

  ids(): string[] {
    return this.entryIds.filter((id) => id !== undefined);
  }

  values(): Value[] {
    const values: Value[] = [];
    for (let at = 0; at < this.used; at++) {
      if (this.entryIds[at] !== undefined) values.push(this.entries[at] as Value);
    }
    return values;
  }

  private placeOf(id: string, hash?: number): number {
    if (this.index !== undefined) return this.index.find(hash ?? hashOf(id), id, this.entryIds);
    for (let at = 0; at < this.used; at++) if (this.entryIds[at] === id) return at;
    return -1;
  }

  /** Closes the ranks of those that are left, and has room for as many again. */
  private makeRoom(): void {
    let kept = 0;
    for (let at = 0; at < this.used; at++) {
      const id = this.entryIds[at];
      if (id === undefined) continue;
      this.entryIds[kept] = id;
      this.entries[kept++] = this.entries[at];
    }
    this.entryIds.fill(undefined, kept);
    this.entries.fill(undefined, kept);
    this.used = kept;
    const wanted = Math.max(FEW, 2 ** Math.ceil(Math.log2(kept * 2)));
    const capacity = this.index?.capacity ?? FEW;
    // One that has become too large for what is in it stays so for a while: it may be wanted again.
    if (wanted <= capacity && wanted * 4 > capacity) this.index?.clear();
    else this.resize(wanted);
    for (let at = 0; at < kept; at++) this.index?.add(hashOf(this.entryIds[at] ?? ""), at);
  }

  private resize(capacity: number): void {
    this.entryIds.length = Math.min(this.entryIds.length, capacity);
    this.entries.length = this.entryIds.length;
    this.index = capacity === FEW ? undefined : new Index(capacity);
  }
}

/** Where the entries of each hash are. Those that have left are found as well, and passed over, until it is cleared. */
class Index {
  private readonly mask: number;
  /** Place of an entry and one; 0: free. */
  private readonly slots: Int32Array;
  private readonly hashes: Int32Array;

  constructor(readonly capacity: number) {
    this.mask = capacity * SPREAD - 1;
    this.slots = new Int32Array(capacity * SPREAD);
    this.hashes = new Int32Array(capacity);
  }

  find(hash: number, id: string, ids: readonly (string | undefined)[]): number {
    for (let slot = hash & this.mask; ; slot = (slot + 1) & this.mask) {
      const at = (this.slots[slot] ?? 0) - 1;
      if (at === -1 || (this.hashes[at] === hash && ids[at] === id)) return at;
    }
  }

  add(hash: number, at: number): void {
    let slot = hash & this.mask;
    while (this.slots[slot] !== 0) slot = (slot + 1) & this.mask;
    this.slots[slot] = at + 1;
    this.hashes[at] = hash;
  }

  clear(): void {
    this.slots.fill(0);
  }
}

/** FNV-1a of a text's code units, with its high bits brought down; another one in each process. */
export function hashOf(id: string): number {
  let hash = SEED;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
  return hash ^ (hash >>> 15);
}
