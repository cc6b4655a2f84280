/**
 * Random histories on each store, held against a plain model. A failure says how to run it again; `MODEL_RUNS` says how
 * many histories each store is put through, where that is to be more or less than usual.
 */
import path from "node:path";
import fc from "fast-check";
import { LedgerStore } from "../../src/stores/ledger/ledger-store";
import { openStore } from "../../src/stores/open-store";
import { SqliteInProcess } from "../conformance/sqlite-in-process";
import { SqliteUnderTest } from "../conformance/sqlite-under-test";
import { SetClock } from "../conformance/store-in-suite";
import { auditLedger } from "../stores/ledger-audit";
import { SlowJournal } from "../stores/slow-journal";
import { histories, type Command } from "./store-model/commands";
import { MODEL_SETTINGS } from "./store-model/scene";
import { StoreModel } from "./store-model/store-model";

const { MODEL_SEED, MODEL_PATH, MODEL_RUNS } = process.env;

interface Subject {
  readonly name: string;
  /** Histories, as many as usual. */
  readonly runs: number;
  readonly commands: fc.Arbitrary<Command[]>;
  readonly isSlow?: boolean;
  run(commands: readonly Command[]): Promise<void>;
}

async function runOnLedger(commands: readonly Command[], isLate: boolean): Promise<void> {
  const clock = new SetClock();
  const journal = new SlowJournal(MODEL_SETTINGS, clock);
  if (isLate) journal.answerInTurn();
  const store = await LedgerStore.open(journal, { laneWindow: 4, ...MODEL_SETTINGS });
  await new StoreModel(store, clock, {
    setFailing: (failing) => (journal.failing = failing),
    audit: () => auditLedger(store),
  }).run(commands);
}

async function runInMemory(commands: readonly Command[]): Promise<void> {
  const clock = new SetClock();
  await new StoreModel(await openStore("memory:", MODEL_SETTINGS, () => {}, clock), clock).run(commands);
}

async function runOnSqlite(commands: readonly Command[], subject = new SqliteInProcess()): Promise<void> {
  const clock = new SetClock();
  let store = await subject.open(MODEL_SETTINGS, clock);
  try {
    await new StoreModel(store, clock, {
      reopen: async (how) => (store = await subject.reopen(how)),
      setFailing: (failing) => (subject.failing = failing),
      audit: () => auditLedger(store),
    }).run(commands);
  } finally {
    await subject.cleanUp();
  }
}

async function runOnSqliteThread(commands: readonly Command[]): Promise<void> {
  const clock = new SetClock();
  const subject = new SqliteUnderTest();
  const store = await subject.open(MODEL_SETTINGS, clock);
  try {
    await new StoreModel(store, clock, { reopen: (how) => subject.reopen(how) }).run(commands);
  } finally {
    await subject.cleanUp();
  }
}

const SUBJECTS: readonly Subject[] = [
  { name: "memory", runs: 400, commands: histories(60, 0), run: runInMemory },
  {
    name: "a ledger that pages, on a journal that answers at once",
    runs: 800,
    commands: histories(60, 0),
    run: (commands) => runOnLedger(commands, false),
  },
  {
    name: "a ledger that pages, on a journal that answers late",
    runs: 800,
    commands: histories(60, 0),
    run: (commands) => runOnLedger(commands, true),
  },
  {
    name: "SQLite on this thread, closed and crashed in between",
    runs: 200,
    commands: histories(100, 2),
    run: runOnSqlite,
  },
  {
    name: "SQLite on this thread, in blocks, closed and crashed in between",
    runs: 200,
    commands: histories(100, 2),
    run: (commands) => runOnSqlite(commands, new SqliteInProcess(1)),
  },
  {
    name: "SQLite on this thread, in blocks of which leftovers soon get rows",
    runs: 200,
    commands: histories(100, 2),
    run: (commands) => runOnSqlite(commands, new SqliteInProcess(2, { goneLength: 500 })),
  },
  {
    name: "SQLite in its own thread, closed and crashed in between",
    runs: 2,
    commands: histories(150, 2),
    isSlow: true,
    run: runOnSqliteThread,
  },
];

test.each(SUBJECTS)(
  "$name",
  async ({ name, runs, commands, isSlow, run }) => {
    const details = await fc.check(fc.asyncProperty(commands, run), {
      numRuns: Number(MODEL_RUNS ?? runs),
      // A shorter history would take as many starts of the thread to find.
      endOnFailure: isSlow === true,
      // Finding a shorter history takes the same patience as a hundred more histories.
      interruptAfterTimeLimit: 100_000 + 1_000 * Number(MODEL_RUNS ?? 0),
      ...(MODEL_SEED === undefined ? {} : { seed: Number(MODEL_SEED) }),
      ...(MODEL_PATH === undefined ? {} : { path: MODEL_PATH }),
    });
    if (!details.failed) return;
    const again = `MODEL_SEED=${details.seed} MODEL_PATH=${details.counterexamplePath} npx jest ${path.relative(process.cwd(), __filename)} -t "${name}"`;
    const history = JSON.stringify(details.counterexample?.[0], null, 1);
    const { errorInstance: error } = details;
    const what = error instanceof Error ? error.message : String(error);
    throw new Error(`${what}, after ${history}\nTo run it again: ${again}`, { cause: error });
  },
  3_600_000,
);
