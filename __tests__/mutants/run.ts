/** `npm run test:mutants`: breaks the product on purpose, one promise after the other, and demands that a test notices. */
import os from "node:os";
import { parseArgs } from "node:util";
import path from "node:path";
import { Campaign } from "./campaign";
import type { Mutant } from "./mutant";
import { BROKEN_PROMISES } from "./table";
import type { Verdict } from "./verdict";

const ROOT = path.join(__dirname, "../..");
const USAGE = `usage: npm run test:mutants -- [--list] [--only <part of a name>]... [--lanes <number>]

  --list   names the mutants, and tries none
  --only   tries the one of this name, or those whose name contains it
  --lanes  how many are tried at a time
`;
/** Memory that one run of tests takes, at the most. */
const LANE_BYTES = 1.5 * 2 ** 30;
const MAX_LANES = 2;
const NAMES = BROKEN_PROMISES.flatMap(({ mutants }) => mutants.map(({ name }) => name));
const MAX_NAME = Math.max(...NAMES.map((name) => name.length));

interface Flags {
  readonly list: boolean;
  readonly only: readonly string[];
  readonly lanes: number;
}

async function main(): Promise<number> {
  const { list, only, lanes } = readFlags();
  const chosen = BROKEN_PROMISES.map(({ promise, mutants }) => ({
    promise,
    mutants: mutants.filter(({ name }) => only.length === 0 || only.some((part) => isMeant(name, part))),
  })).filter(({ mutants }) => mutants.length > 0);
  if (chosen.length === 0) throw new Error(`no mutant is called ${only.join(" or ")}: --list names them`);
  if (list) {
    for (const { promise, mutants } of chosen) {
      console.log(promise);
      for (const { name, file, caughtBy } of mutants)
        console.log(`  ${name.padEnd(MAX_NAME)}  ${file}  ${caughtBy.file}`);
    }
    return 0;
  }
  return tryAll(chosen, lanes);
}

/** A whole name means that mutant alone. */
function isMeant(name: string, part: string): boolean {
  return NAMES.includes(part) ? name === part : name.includes(part);
}

async function tryAll(chosen: typeof BROKEN_PROMISES, lanes: number): Promise<number> {
  const verdicts = new Map<Mutant, Verdict>();
  const campaign = new Campaign({
    root: ROOT,
    lanes,
    say: (line) => console.log(line),
    judged: (mutant, verdict, seconds) => {
      verdicts.set(mutant, verdict);
      console.log(row(mutant, verdict, seconds));
    },
  });
  const leave = (): never => {
    campaign.close();
    process.exit(130);
  };
  process.once("SIGINT", leave).once("SIGTERM", leave);
  try {
    const allCaught = await campaign.run(chosen.flatMap(({ mutants }) => mutants));
    for (const line of tally(chosen, verdicts)) console.log(line);
    return allCaught ? 0 : 1;
  } finally {
    campaign.close();
  }
}

function row({ name }: Mutant, { outcome, detail }: Verdict, seconds: number): string {
  const shown = outcome === "caught" ? "caught" : outcome.toUpperCase();
  return `${shown.padEnd(8)}  ${name.padEnd(MAX_NAME)}  ${seconds.toFixed(1).padStart(5)} s  ${detail}`;
}

function tally(chosen: typeof BROKEN_PROMISES, verdicts: ReadonlyMap<Mutant, Verdict>): string[] {
  const caughtOf = (mutants: readonly Mutant[]) =>
    mutants.filter((mutant) => verdicts.get(mutant)?.outcome === "caught").length;
  const all = chosen.flatMap(({ mutants }) => mutants);
  const uncaught = all.filter((mutant) => verdicts.get(mutant)?.outcome !== "caught");
  return [
    "",
    ...chosen.map(({ promise, mutants }) => `${promise}: ${caughtOf(mutants)} of ${mutants.length} caught`),
    `all: ${caughtOf(all)} of ${all.length} caught`,
    ...uncaught.map((mutant) => `not caught: ${mutant.name}, in ${mutant.file}, by ${mutant.caughtBy.file}`),
  ];
}

function readFlags(): Flags {
  const { values } = parseArgs({
    options: {
      list: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      lanes: { type: "string", default: String(lanesByDefault()) },
    },
  });
  const lanes = Number(values.lanes);
  if (!Number.isInteger(lanes) || lanes < 1) throw new Error("--lanes must be a whole number of at least 1");
  return { list: values.list, only: values.only, lanes };
}

function lanesByDefault(): number {
  return Math.max(1, Math.min(MAX_LANES, os.availableParallelism(), Math.floor(os.freemem() / LANE_BYTES)));
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    if (error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS")) {
      console.error(USAGE);
    }
    process.exitCode = 1;
  },
);
