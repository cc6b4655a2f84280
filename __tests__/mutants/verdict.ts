/** What a run of tests says about a mutant. */
import type { Mutant } from "./mutant";

/** What jest's `--json` says of a run, as far as it is looked at. */
export interface JestReport {
  readonly testResults: readonly {
    /** The file's path. */
    readonly name: string;
    /** Of a file that could not be loaded: why. */
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly duration?: number | null;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

export type Outcome = "caught" | "survived" | "not caught properly";

export interface Verdict {
  readonly outcome: Outcome;
  /** The test that noticed, or what is wrong. */
  readonly detail: string;
}

const TIMEOUT = /^(?:Error: )?(?:thrown: )?"?Exceeded timeout of/;
/** Thrown by JavaScript itself, and not by a matcher: the mistake broke the program, rather than the promise. */
const CRASH = /^(?:TypeError|ReferenceError|SyntaxError|RangeError)\b(?!: expect\()/;
/** Escape sequences that colour a terminal. */
// eslint-disable-next-line no-control-regex
const COLOURS = /\u001b\[\d+m/g;

/** A mutant is caught when a test fails because something is not as it was promised. */
export function judge(report: JestReport, { hangs }: Pick<Mutant, "hangs">): Verdict {
  const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = tests
    .filter(({ status }) => status === "failed")
    .map(({ fullName, failureMessages }) => ({ fullName, reason: firstLine(failureMessages?.[0] ?? "") }));
  const proper = failed.find(({ reason }) => !TIMEOUT.test(reason) && !CRASH.test(reason));
  if (proper) return { outcome: "caught", detail: proper.fullName };
  const timedOut = failed.find(({ reason }) => TIMEOUT.test(reason));
  if (timedOut && hangs !== undefined) return { outcome: "caught", detail: `${timedOut.fullName} (waits in vain)` };
  if (timedOut) return { outcome: "not caught properly", detail: `it only made a test wait: ${timedOut.fullName}` };
  const [crashed] = failed;
  if (crashed) return { outcome: "not caught properly", detail: `it broke the program: ${crashed.reason}` };
  const unloaded = report.testResults.find(({ assertionResults }) => assertionResults.length === 0);
  if (unloaded) {
    return { outcome: "not caught properly", detail: `the tests could not be loaded: ${firstLine(unloaded.message)}` };
  }
  if (!tests.some(({ status }) => status === "passed")) {
    return { outcome: "not caught properly", detail: "no test of that name ran" };
  }
  return { outcome: "survived", detail: "no test noticed" };
}

/** The first line that says something. */
export function firstLine(text: string): string {
  const lines = text.replace(COLOURS, "").split("\n");
  return lines.map((line) => line.trim()).find((line) => line !== "") ?? "";
}
