import fs from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import type { Store } from "../../src/queue/store";
import { readSettings } from "../../src/read-config";
import { openStore } from "../../src/stores/open-store";
import { examine } from "../../src/stores/sqlite/examination";
import { salvage, type SalvageReport } from "../../src/stores/sqlite/salvage/salvage";
import { ack, message, queue, settling } from "../conformance/store-in-suite";
import { rulesWith } from "../support/rules";
import {
  broughtBack,
  contentsOf,
  copyStore,
  flipBit,
  makeFiles,
  pagesByKind,
  servedFrom,
  unaccounted,
  type Contents,
} from "./damaged-file";

const PAGE_BYTES = 4096;
const isThorough = process.env.CI === "true";
const FLIPS = isThorough ? 150 : 60;
const LOG_FLIPS = isThorough ? 60 : 25;
const CUTS = 12;
const WIPES = 20;

/** The same places each time, so that a change is what makes it fail; WAYBILL_SEED chooses others. */
const seed = Number(process.env.WAYBILL_SEED ?? 7);
let folder = "";
let random: (below: number) => number;

beforeAll(async () => {
  folder = await makeFiles();
}, 60_000);
beforeEach(() => {
  random = randomFrom(seed);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const inFolder = (name: string): string => path.join(folder, name);

/** Damages a copy, and holds what is found and what is saved against what was there. */
function tryDamage(of: "closed.db" | "crashed.db", damage: (file: string) => string): Outcome {
  const file = inFolder("damaged.db");
  copyStore(inFolder(of), file);
  const where = `${damage(file)} (WAYBILL_SEED=${seed})`;
  const faults = examine(file).faults;
  const saved = inFolder("saved.db");
  fs.rmSync(saved, { force: true });
  const report = salvage(file, saved);
  return { where, faults, report, saved: contentsOf(saved), savedFaults: examine(saved).faults };
}

interface Outcome {
  readonly where: string;
  readonly faults: readonly string[];
  readonly report: SalvageReport;
  readonly saved: Contents;
  readonly savedFaults: readonly string[];
}

/** What SQLite reads in the damaged copy; where it cannot, why. */
function readDamaged(): object {
  try {
    return { contents: contentsOf(inFolder("damaged.db")), served: servedFrom(inFolder("damaged.db")) };
  } catch (error) {
    return { unreadable: String(error) };
  }
}

/** What was in the file of a store that crashed, whose log SQLite would otherwise take into it. */
function contentsOfCrashed(): Contents {
  const copy = inFolder("whole.db");
  copyStore(inFolder("crashed.db"), copy);
  return contentsOf(copy);
}

describe("a whole file", () => {
  test.each(["closed.db", "crashed.db"] as const)("is found whole, and is saved as it is: %s", (name) => {
    const { faults, report, saved, savedFaults } = tryDamage(name, () => name);
    expect(faults).toEqual([]);
    expect(savedFaults).toEqual([]);
    const before = name === "closed.db" ? contentsOf(inFolder(name)) : contentsOfCrashed();
    expect(saved).toEqual(before);
    expect(report.faults).toEqual([]);
    expect(report.losses.messages.size + report.losses.unreadable.size).toBe(0);
  });
});

test(`${FLIPS} flipped bits, on pages of every kind: each is found or changes nothing, and all is saved or told to be lost`, () => {
  const before = contentsOf(inFolder("closed.db"));
  const served = servedFrom(inFolder("closed.db"));
  const kinds = pagesByKind(inFolder("closed.db"));
  let found = 0;
  for (let flip = 0; flip < FLIPS; flip++) {
    const pages = kinds[flip % kinds.length] ?? [];
    const page = pages[random(pages.length)] ?? 1;
    // Half of them where a page says what is on it.
    const byte = (page - 1) * PAGE_BYTES + random(flip % 2 === 0 ? PAGE_BYTES : 120);
    const bit = random(8);
    const outcome = tryDamage("closed.db", (file) => {
      flipBit(file, byte, bit);
      return `bit ${bit} of byte ${byte}, on page ${page}`;
    });
    const { where, faults, report, saved, savedFaults } = outcome;
    if (faults.length > 0) found++;
    else {
      expect({ where, ...readDamaged() }).toEqual({ where, contents: before, served });
    }
    expect({ where, unaccounted: unaccounted(before, saved, report) }).toEqual({ where, unaccounted: [] });
    expect({ where, savedFaults }).toEqual({ where, savedFaults: [] });
    expect({ where, back: broughtBack(before, saved, report) }).toEqual({ where, back: [] });
  }
  expect(found).toBeGreaterThan(FLIPS / 4);
}, 120_000);

test(`${LOG_FLIPS} flipped bits in the log of a crash: none ends it unnoticed`, () => {
  const before = contentsOfCrashed();
  const log = inFolder("crashed.db-wal");
  const bytes = fs.statSync(log).size;
  let found = 0;
  for (let flip = 0; flip < LOG_FLIPS; flip++) {
    const byte = flip % 10 === 0 ? random(32) : flip % 10 === 1 ? bytes - 1 - random(3 * PAGE_BYTES) : random(bytes);
    const { where, faults, report, saved } = tryDamage("crashed.db", (file) => {
      flipBit(`${file}-wal`, byte, random(8));
      return `byte ${byte} of the log`;
    });
    if (faults.length > 0) found++;
    else expect({ where, ...readDamaged() }).toMatchObject({ where, contents: before });
    expect({ where, unaccounted: unaccounted(before, saved, report) }).toEqual({ where, unaccounted: [] });
  }
  expect(found).toBeGreaterThan(LOG_FLIPS / 2);
}, 120_000);

test(`a file that was cut off, at ${CUTS} places, is refused`, () => {
  const before = contentsOf(inFolder("closed.db"));
  const bytes = fs.statSync(inFolder("closed.db")).size;
  for (let cut = 0; cut < CUTS; cut++) {
    const left = random(bytes - 200) + 100;
    const { where, faults, report, saved } = tryDamage("closed.db", (file) => {
      fs.truncateSync(file, left);
      return `cut off at ${left} of ${bytes}`;
    });
    expect({ where, faults: faults.length > 0 }).toEqual({ where, faults: true });
    expect({ where, unaccounted: unaccounted(before, saved, report) }).toEqual({ where, unaccounted: [] });
  }
}, 60_000);

test(`${WIPES} wiped stretches of pages: found, and what is not on them is saved`, () => {
  const before = contentsOf(inFolder("closed.db"));
  const pages = fs.statSync(inFolder("closed.db")).size / PAGE_BYTES;
  for (let wipe = 0; wipe < WIPES; wipe++) {
    const count = 1 + random(6);
    const first = 1 + random(pages - count - 1);
    const { where, report, saved, savedFaults } = tryDamage("closed.db", (file) => {
      const bytes = fs.readFileSync(file);
      fs.writeFileSync(file, bytes.fill(0, first * PAGE_BYTES, (first + count) * PAGE_BYTES));
      return `pages ${first + 1} to ${first + count} wiped`;
    });
    expect({ where, unaccounted: unaccounted(before, saved, report) }).toEqual({ where, unaccounted: [] });
    expect({ where, savedFaults }).toEqual({ where, savedFaults: [] });
  }
}, 60_000);

test.each(["blocks", "block_runs"])(
  "where nothing leads to %s any more, all of them are found, as doubtful at the most",
  (table) => {
    const before = contentsOf(inFolder("closed.db"));
    const { faults, report, saved, savedFaults } = tryDamage("closed.db", (file) => {
      const bytes = fs.readFileSync(file);
      const root = rootOf(file, table);
      // A page with others below it: of these, nothing is wiped.
      expect(bytes[(root - 1) * PAGE_BYTES]).toBe(5);
      fs.writeFileSync(file, bytes.fill(0, (root - 1) * PAGE_BYTES, root * PAGE_BYTES));
      return `the root of ${table} wiped`;
    });
    expect(faults).not.toEqual([]);
    expect(savedFaults).toEqual([]);
    expect([...before.messages].filter(([seq, row]) => saved.messages.get(seq) !== row)).toEqual([]);
    expect(broughtBack(before, saved, report)).toEqual([]);
  },
);

test("contents that their heads miss are found, and told to be lost, though each row there is whole", () => {
  const before = contentsOf(inFolder("closed.db"));
  const { faults, report, saved } = tryDamage("closed.db", (file) => {
    const database = new Database(file);
    database.exec("DELETE FROM block_runs WHERE first_seq = (SELECT max(first_seq) FROM block_runs)");
    database.close();
    return "a run deleted";
  });
  expect(faults).toEqual(["contents of blocks do not match their heads"]);
  expect(saved.messages.size).toBeLessThan(before.messages.size);
  expect(unaccounted(before, saved, report)).toEqual([]);
});

test("what is left on pages that are free is not told to be lost", async () => {
  const file = inFolder("emptied.db");
  const store = await openStore(`sqlite:${file}`, { ...readSettings({}), rules: rulesWith() }, () => {});
  await fillAndAck(store, 3_000);
  await store.close();
  copyStore(file, inFolder("damaged.db"));
  const bytes = fs.readFileSync(file);
  // The list of them begins there; nothing is known to be free any more.
  const trunk = bytes.readUInt32BE(32);
  expect(trunk).toBeGreaterThan(0);
  fs.writeFileSync(inFolder("damaged.db"), bytes.fill(0xff, (trunk - 1) * PAGE_BYTES, (trunk - 1) * PAGE_BYTES + 16));
  expect(examine(inFolder("damaged.db")).faults).not.toEqual([]);
  fs.rmSync(inFolder("saved.db"), { force: true });
  const report = salvage(inFolder("damaged.db"), inFolder("saved.db"));
  expect([...report.losses.messages.values()].flat()).toEqual([]);
});

/** Puts messages into a store, a hundred at a time, and acks all of them. */
async function fillAndAck(store: Store, count: number): Promise<void> {
  const payload = JSON.stringify("x".repeat(200));
  for (let from = 0; from < count; from += 100) {
    await store.append(Array.from({ length: 100 }, (_, at) => message(`m${from + at}`, { payload })));
  }
  const requests = [{ holder: "session", client: "driver", limit: 100, limitBytes: 2 ** 30 }];
  for (let acked = 0; acked < count;) {
    const deliveries = await store.lease(queue, requests, Date.now(), 30_000);
    await store.settle(deliveries.map((delivery) => settling(delivery, ack)));
    acked += deliveries.length;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("the log of a crash", () => {
  test("that is gone is missed by the mark beside it", () => {
    const { faults, report } = tryDamage("crashed.db", (file) => {
      fs.rmSync(`${file}-wal`);
      return "log removed";
    });
    expect(faults).toEqual([expect.stringMatching(/of its confirmed commits are missing/)]);
    expect(report.missing).toBe(faults[0]);
  });

  test("that was left behind when the file was copied is missed as well", () => {
    const { faults, report } = tryDamage("crashed.db", (file) => {
      for (const part of ["-wal", "-mark"]) fs.rmSync(file + part);
      return "the file alone";
    });
    expect(faults).toEqual([
      expect.stringMatching(/was not stopped in order, and its log, .*damaged.db-wal, is missing/),
    ]);
    expect(report.missing).toBe(faults[0]);
  });

  test("that was cut off is missed by the mark beside it", () => {
    const { faults, report } = tryDamage("crashed.db", (file) => {
      const bytes = fs.statSync(`${file}-wal`).size;
      fs.truncateSync(`${file}-wal`, bytes - 10 * PAGE_BYTES);
      return "log cut off";
    });
    expect(faults).toEqual([expect.stringMatching(/of its confirmed commits are missing/)]);
    expect(report.missing).toBeDefined();
  });

  test("may end in the middle of a commit that nobody was told of: a power cut leaves it so", () => {
    const { faults, report, saved } = tryDamage("crashed.db", (file) => {
      // A commit of one page, written by halves, of which the mark knows nothing.
      const frame = Buffer.alloc(24 + PAGE_BYTES / 2, 7);
      fs.readFileSync(`${file}-wal`).copy(frame, 8, 16, 24);
      fs.appendFileSync(`${file}-wal`, frame);
      return "half a commit";
    });
    expect(faults).toEqual([]);
    expect(report.missing).toBeUndefined();
    expect(saved).toEqual(contentsOfCrashed());
  });
});

function rootOf(file: string, table: string): number {
  const database = new Database(file, { readonly: true });
  const root = Number(database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").pluck().get(table));
  database.close();
  return root;
}

/** The same numbers for the same seed (mulberry32). */
function randomFrom(start: number): (below: number) => number {
  let state = start;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
