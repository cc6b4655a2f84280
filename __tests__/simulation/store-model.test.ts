/**
 * Random histories on each store, held against a plain model. A failure prints the seed and the shortest history that
 * fast-check found; `fc.assert(…, { seed, path })` with what it printed runs it again.
 */
import fc from "fast-check";
import { LedgerStore } from "../../src/stores/ledger/ledger-store";
import { SqliteUnderTest } from "../conformance/sqlite-under-test";
import { SlowJournal } from "../stores/slow-journal";
import { MODEL_SETTINGS, QUEUES, StoreModel, type Command, type StepCommand } from "./store-model";

const step: fc.Arbitrary<StepCommand> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      target: fc.nat(QUEUES.length),
      count: fc.integer({ min: 1, max: 12 }),
      priority: fc.constantFrom(0, 4, 4, 9),
      group: fc.option(fc.nat(1), { nil: undefined, freq: 1 }),
      delayMs: fc.option(fc.integer({ min: 1, max: 4_000 }), { nil: undefined, freq: 2 }),
      ttlMs: fc.option(fc.integer({ min: 1, max: 5_000 }), { nil: undefined, freq: 2 }),
      again: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("lease" as const),
      queue: fc.nat(QUEUES.length - 1),
      holders: fc.integer({ min: 1, max: 2 }),
      limit: fc.integer({ min: 1, max: 12 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("settle" as const),
      pick: fc.nat(100),
      count: fc.integer({ min: 1, max: 12 }),
      action: fc.constantFrom("ack", "ack", "retry", "delay", "dead", "extend"),
      wrong: fc.option(fc.constantFrom("attempt", "holder"), { nil: undefined, freq: 1 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("tick" as const), ms: fc.constantFrom(0, 500, 2_000, 31_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("join" as const), inbox: fc.nat(1), replay: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave" as const), inbox: fc.nat(1) }) },
);

const together = fc.record({ kind: fc.constant("together" as const), steps: fc.array(step, { maxLength: 6 }) });
const fault = fc.record({ kind: fc.constant("fault" as const), steps: fc.array(step, { maxLength: 4 }) });
const dead = fc.record({
  kind: fc.constant("dead" as const),
  fate: fc.constantFrom("redrive", "purge"),
  queue: fc.nat(QUEUES.length - 1),
});
const restart = fc.record({ kind: fc.constant("restart" as const), how: fc.constantFrom("closed", "crashed") });

function histories(maxLength: number, restarts: number): fc.Arbitrary<Command[]> {
  const command = fc.oneof<fc.MaybeWeightedArbitrary<Command>[]>(
    { weight: 40, arbitrary: step },
    { weight: 20, arbitrary: together },
    { weight: 4, arbitrary: fault },
    { weight: 2, arbitrary: dead },
    { weight: restarts, arbitrary: restart },
  );
  return fc.array(command, { maxLength, size: "max" });
}

test.each([
  ["at once", false],
  ["late", true],
])("a ledger with lanes so short that it pages, on a journal that answers %s", async (_when, isLate) => {
  await fc.assert(
    fc.asyncProperty(histories(60, 0), async (commands) => {
      const journal = new SlowJournal(MODEL_SETTINGS);
      if (isLate) journal.answerInTurn();
      const store = await LedgerStore.open(journal, { laneWindow: 4, ...MODEL_SETTINGS });
      await new StoreModel(store, { setFailing: (failing) => (journal.failing = failing) }).run(commands);
    }),
    { numRuns: 150 },
  );
});

test("SQLite, closed and crashed in between", async () => {
  await fc.assert(
    fc.asyncProperty(histories(150, 2), async (commands) => {
      const subject = new SqliteUnderTest();
      const store = await subject.open(MODEL_SETTINGS);
      try {
        await new StoreModel(store, { reopen: (how) => subject.reopen(how) }).run(commands);
      } finally {
        await subject.close();
        await subject.cleanUp();
      }
    }),
    // A shorter history of the same fault would take as many starts of the store to find.
    { numRuns: 6, endOnFailure: true },
  );
}, 120_000);
