import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { CompileCheck } from "./compile-check";
import { readWithMistake, TableError, type Mutant, type Suite } from "./mutant";
import { firstLine, judge, type JestReport, type Verdict } from "./verdict";
import { Workshop } from "./workshop";

/** How long a test waits in vain where that is all that can be seen of a mistake. */
const HANG_TIMEOUT_MS = 6_000;
/** Such a test has to be this many times as quick without the mistake. */
const HANG_MARGIN = 3;

export interface CampaignParts {
  /** The repository. */
  readonly root: string;
  /** How many mutants are tried at a time. */
  readonly lanes: number;
  say(line: string): void;
  judged(mutant: Mutant, verdict: Verdict, seconds: number): void;
}

/** Tries mutants on copies of the sources. */
export class Campaign {
  private readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-mutants-"));
  private readonly workshops: Workshop[] = [];

  constructor(private readonly parts: CampaignParts) {}

  /**
   * Tries every mutant, once all tests that are to notice one are known to pass without it.
   *
   * @returns whether all were caught.
   * @throws TableError when the table is not true; Error when a test fails without a mistake.
   */
  async run(mutants: readonly Mutant[]): Promise<boolean> {
    checkTable(this.parts.root, mutants);
    for (let lane = 0; lane < this.parts.lanes; lane++) {
      this.workshops.push(Workshop.open(this.parts.root, path.join(this.folder, `copy-${lane}`)));
    }
    await this.proveSuites(mutants);
    const waiting = [...mutants];
    const outcomes = await Promise.all(this.workshops.map((workshop) => this.work(workshop, waiting)));
    return outcomes.every((each) => each);
  }

  /** Ends what runs, and removes the copies. */
  close(): void {
    for (const workshop of this.workshops) workshop.close();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  private async proveSuites(mutants: readonly Mutant[]): Promise<void> {
    const suites = mutants.map(({ caughtBy }) => caughtBy);
    const files = [...new Set(suites.map(({ file }) => file))];
    this.parts.say(`without a mistake: the tests of ${files.length} files`);
    const reports = await Promise.all(
      this.workshops.map((workshop, lane) => {
        const share = files.filter((_file, index) => index % this.workshops.length === lane);
        return runAll(
          workshop,
          suites.filter(({ file }) => share.includes(file)),
        );
      }),
    );
    const report = { testResults: reports.flatMap(({ testResults }) => testResults) };
    refuseFailures(report);
    for (const mutant of mutants) refuseUnproved(report, mutant);
  }

  /** Takes one mutant after the other until none is left. */
  private async work(workshop: Workshop, waiting: Mutant[]): Promise<boolean> {
    let allCaught = true;
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const startedAt = performance.now();
      const verdict = await tryMutant(workshop, mutant);
      this.parts.judged(mutant, verdict, (performance.now() - startedAt) / 1_000);
      if (verdict.outcome !== "caught") allCaught = false;
    }
    return allCaught;
  }
}

async function runAll(workshop: Workshop, suites: readonly Suite[]): Promise<JestReport> {
  return suites.length === 0 ? { testResults: [] } : workshop.run(suites, { bail: false });
}

async function tryMutant(workshop: Workshop, mutant: Mutant): Promise<Verdict> {
  const testTimeoutMs = mutant.hangs === undefined ? undefined : HANG_TIMEOUT_MS;
  try {
    return judge(await workshop.runWithMistake(mutant, { testTimeoutMs, bail: true }), mutant);
  } catch (error) {
    return { outcome: "not caught properly", detail: error instanceof Error ? error.message : String(error) };
  }
}

/** @throws TableError that names all that is wrong with the table. */
export function checkTable(root: string, mutants: readonly Mutant[]): void {
  const names = mutants.map(({ name }) => name);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  const problems = twice.map((name) => `${name}: two mutants have this name`);
  const applicable = mutants.filter((mutant) => {
    try {
      readWithMistake(root, mutant);
      return true;
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
      return false;
    }
  });
  problems.push(...new CompileCheck(root).problemsOf(applicable));
  if (problems.length > 0) throw new TableError(problems.join("\n"));
}

function refuseFailures({ testResults }: JestReport): void {
  const failures = testResults.flatMap(({ message, assertionResults }) =>
    assertionResults.length === 0
      ? [`could not be loaded: ${firstLine(message)}`]
      : assertionResults
          .filter(({ status }) => status === "failed")
          .map(({ fullName, failureMessages }) => `${fullName}: ${firstLine(failureMessages?.[0] ?? "")}`),
  );
  if (failures.length > 0) throw new Error(`these tests fail without any mistake:\n${failures.join("\n")}`);
}

function refuseUnproved(report: JestReport, { name, caughtBy, hangs }: Mutant): void {
  const passed = passedOf(report, caughtBy);
  if (passed.length === 0) {
    throw new TableError(`${name}: no test of ${caughtBy.file} is called "${caughtBy.test}"`);
  }
  const slowest = Math.max(...passed.map(({ duration }) => duration ?? 0));
  if (hangs !== undefined && slowest * HANG_MARGIN > HANG_TIMEOUT_MS) {
    throw new Error(
      `${name}: its test took ${slowest} ms without the mistake, too long to tell a wait in vain from it`,
    );
  }
}

function passedOf(
  { testResults }: JestReport,
  { file, test }: Suite,
): JestReport["testResults"][number]["assertionResults"] {
  const wanted = test.toLowerCase();
  return testResults
    .filter(({ name }) => name.endsWith(`/${file}`))
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ fullName, status }) => status === "passed" && fullName.toLowerCase().includes(wanted));
}
