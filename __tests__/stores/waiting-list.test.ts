/** A list of waiting messages beside a plain sorted array of them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { sizeOf } from "../../src/queue/message";
import type { StoredMessage } from "../../src/stores/ledger/journal";
import { MemoryBudget } from "../../src/stores/ledger/memory-budget";
import { WaitingList, seqOf } from "../../src/stores/ledger/waiting-list";
import { storedMessage } from "./stored-message";

function isBefore(a: StoredMessage, b: StoredMessage): boolean {
  return a.priority > b.priority || (a.priority === b.priority && a.seq < b.seq);
}

function seqsOf(messages: readonly StoredMessage[]): number[] {
  return messages.map(({ seq }) => seq);
}

/** The same list, kept as simply as can be. */
class PlainList {
  readonly all: StoredMessage[] = [];
  /** Of these only the place is kept. */
  readonly onDisk = new Set<StoredMessage>();

  get inMemory(): StoredMessage[] {
    return this.all.filter((message) => !this.onDisk.has(message));
  }

  insert(message: StoredMessage): void {
    const next = this.all.findIndex((other) => isBefore(message, other));
    this.all.splice(next < 0 ? this.all.length : next, 0, message);
    const firstOnDisk = this.all.find((other) => this.onDisk.has(other));
    if (firstOnDisk && isBefore(firstOnDisk, message)) this.onDisk.add(message);
  }

  remove(message: StoredMessage): void {
    this.all.splice(this.all.indexOf(message), 1);
    this.onDisk.delete(message);
  }
}

type Step =
  | { readonly kind: "insert"; readonly seq: number; readonly priority: number }
  | { readonly kind: "shift" }
  | { readonly kind: "shorten"; readonly keep: number }
  | { readonly kind: "read"; readonly count: number }
  | { readonly kind: "arrive"; readonly gone: number }
  | { readonly kind: "remove"; readonly pick: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("insert" as const),
      seq: fc.nat(100_000),
      priority: fc.constantFrom(0, 4, 4, 9),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: "shift" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("shorten" as const), keep: fc.nat(10) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("read" as const), count: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("arrive" as const), gone: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), pick: fc.nat(100) }) },
);

/** Carries a history out on both lists, and holds every answer of the one against the other. */
class Comparison {
  private readonly budget = new MemoryBudget(1_000_000);
  private readonly list = new WaitingList(this.budget, 1e9);
  private readonly plain = new PlainList();
  private readonly seqs = new Set<number>();
  private reading: readonly number[] = [];

  run(steps: readonly Step[]): void {
    for (const each of steps) {
      this.step(each);
      this.compare();
    }
    this.drain();
  }

  private step(step: Step): void {
    switch (step.kind) {
      case "insert": {
        // No seq is given twice, with another priority say, while the one that had it is still being read.
        if (this.seqs.has(step.seq)) return;
        this.seqs.add(step.seq);
        const message = storedMessage(step.seq, { priority: step.priority });
        this.list.insert(message);
        return this.plain.insert(message);
      }
      case "shift":
        return this.shift();
      case "shorten":
        this.list.shorten(step.keep);
        return this.plain.inMemory.slice(step.keep).forEach((message) => this.plain.onDisk.add(message));
      case "read":
        return this.read(step.count);
      case "arrive":
        return this.arrive(step.gone);
      case "remove":
        return this.remove(step.pick);
    }
  }

  private shift(): void {
    const expected = this.plain.inMemory[0];
    assert.equal(this.list.peek(), expected);
    assert.equal(this.list.shift(), expected);
    if (expected) this.plain.remove(expected);
  }

  private read(count: number): void {
    const wanted = this.list.wanted(count);
    const enough = this.list.isBusy || this.plain.inMemory.length > count / 2;
    const expected = enough ? [] : this.plain.all.filter((message) => this.plain.onDisk.has(message)).slice(0, count);
    assert.deepEqual(wanted.map(seqOf), seqsOf(expected));
    if (wanted.length === 0) return;
    this.reading = wanted;
    this.list.isBusy = true;
  }

  /** What was being read arrives, without one in `gone`, which has ended meanwhile. */
  private arrive(gone: number): void {
    if (!this.list.isBusy) return;
    this.list.isBusy = false;
    const wanted = this.reading.map(seqOf);
    const found = wanted.flatMap((seq, index) => {
      const message = this.plain.all.find((each) => each.seq === seq);
      return message && (gone === 0 || index % gone !== 0) ? [message] : [];
    });
    const lost = this.plain.all.filter((message) => wanted.includes(message.seq) && !found.includes(message));
    assert.equal(this.list.fetched(this.reading, found), lost.length);
    for (const message of lost) this.plain.remove(message);
    for (const message of found) {
      const firstOnDisk = this.plain.all.find((each) => this.plain.onDisk.has(each));
      if (firstOnDisk === message) this.plain.onDisk.delete(message);
    }
  }

  private remove(pick: number): void {
    const message = this.plain.all[pick % this.plain.all.length];
    if (message === undefined) return;
    const isOnDisk = this.plain.onDisk.has(message);
    assert.equal(this.list.hasPlace(message), isOnDisk);
    assert.equal(this.list.remove(message), isOnDisk ? undefined : message);
    assert.equal(this.list.forget(message), isOnDisk);
    assert.equal(this.list.forget(message), false);
    this.plain.remove(message);
  }

  private compare(): void {
    const { list, plain } = this;
    assert.deepEqual(seqsOf([...list.inMemory()]), seqsOf(plain.inMemory));
    assert.deepEqual([list.length, list.onDisk], [plain.inMemory.length, plain.onDisk.size]);
    assert.equal(list.firstSeq, plain.all[0]?.seq);
    const bytes = plain.inMemory.reduce((sum, message) => sum + sizeOf(message), 0);
    assert.equal(this.budget.left, 1_000_000 - bytes);
    for (const [index, message] of plain.all.entries()) assert.equal(list.countBefore(message), index);
  }

  /** Whatever has happened, all of it comes out, in order. */
  private drain(): void {
    while (this.plain.all.length > 0) {
      this.arrive(0);
      this.shift();
      this.read(8);
      this.compare();
    }
  }
}

test("gives messages in order and keeps count of them, as a plain list does", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => new Comparison().run(steps)),
    { numRuns: 300 },
  );
});

test("does not let what was read overtake what was put before it meanwhile", () => {
  const list = new WaitingList(new MemoryBudget(1e9), 1e9);
  const put = (...seqs: number[]): void => seqs.forEach((seq) => list.insert(storedMessage(seq)));
  put(1, 20, 21);
  list.shorten(1);
  const wanted = list.wanted(10);
  put(2, 3, 4);
  list.shorten(2);
  expect(list.fetched(wanted, [storedMessage(20), storedMessage(21)])).toBe(0);
  expect([...list.inMemory()].map(({ seq }) => seq)).toEqual([1, 2]);
  expect(list.onDisk).toBe(4);
});

test("cuts off what has left, so that a long life costs no memory", () => {
  const list = new WaitingList(new MemoryBudget(1e9), 1e9);
  for (let seq = 1; seq <= 50_000; seq++) {
    list.insert(storedMessage(seq));
    if (seq > 10) assert.equal(list.shift()?.seq, seq - 10);
  }
  list.shorten(0);
  for (let seq = 50_001; seq <= 60_000; seq++) list.insert(storedMessage(seq));
  for (let left = list.onDisk; left > 0; left--) {
    const [place = 0] = list.wanted(1);
    list.fetched([place], [storedMessage(seqOf(place))]);
    list.shift();
  }
  expect(JSON.stringify(list).length).toBeLessThan(40_000);
});
