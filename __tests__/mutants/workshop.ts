import { spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { TableError, readWithMistake, type Mutant, type Suite } from "./mutant";
import { firstLine, type JestReport } from "./verdict";

/** Not of the sources, or far too much of them. */
const LEFT_OUT = new Set(["node_modules", "dist", "build", "coverage", "data", ".git"]);
/** The longest that one run of tests may take. */
const RUN_LIMIT_MS = 120_000;

export interface RunOptions {
  /** Milliseconds that a test may take which does not say so itself; as configured where left out. */
  readonly testTimeoutMs?: number | undefined;
  readonly limitMs?: number;
  /** Whether the first failure is enough. */
  readonly bail: boolean;
}

/** A copy of the sources, for mistakes to be made in one at a time. */
export class Workshop {
  private running: ChildProcess | undefined;

  private constructor(private readonly folder: string) {}

  /** Copies the sources of a repository into a folder that is not there yet, and links its packages. */
  static open(root: string, folder: string): Workshop {
    fs.cpSync(root, folder, {
      recursive: true,
      filter: (source) => !LEFT_OUT.has(path.relative(root, source)),
    });
    fs.symlinkSync(fs.realpathSync(path.join(root, "node_modules")), path.join(folder, "node_modules"));
    return new Workshop(folder);
  }

  /** Runs tests with a mistake in the sources, and takes it out again. Throws as `run` does, and `TableError`. */
  async runWithMistake(mutant: Mutant, options: RunOptions): Promise<JestReport> {
    const file = path.join(this.folder, mutant.file);
    const source = fs.readFileSync(file, "utf8");
    fs.writeFileSync(file, readWithMistake(this.folder, mutant));
    try {
      return await this.run([mutant.caughtBy], options);
    } finally {
      fs.writeFileSync(file, source);
    }
  }

  /** Runs tests as the sources stand. @throws Error when jest has no result to show. */
  async run(
    suites: readonly Suite[],
    { testTimeoutMs, limitMs = RUN_LIMIT_MS, bail }: RunOptions,
  ): Promise<JestReport> {
    const results = path.join(this.folder, "results.json");
    fs.rmSync(results, { force: true });
    const missing = suites.find(({ file }) => !fs.existsSync(path.join(this.folder, file)));
    if (missing) throw new TableError(`${missing.file} is named by the table, and is not there`);
    const output = await this.jest(
      [
        ...["--runTestsByPath", ...new Set(suites.map(({ file }) => file))],
        ...["--testNamePattern", suites.map(({ test }) => escaped(test)).join("|")],
        ...["--json", "--outputFile", results, "--maxWorkers", "1", "--forceExit", "--watchman", "false"],
        ...["--cacheDirectory", path.join(this.folder, ".jest-cache")],
        ...(bail ? ["--bail"] : []),
        ...(testTimeoutMs === undefined ? [] : ["--testTimeout", String(testTimeoutMs)]),
      ],
      limitMs,
    );
    if (!fs.existsSync(results)) throw new Error(`jest gave no result: ${output}`);
    return JSON.parse(fs.readFileSync(results, "utf8")) as JestReport;
  }

  /** Ends what still runs, and removes the copy. */
  close(): void {
    this.killRunning();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  /** @returns what it last said where it did not end by itself, or ended badly. */
  private async jest(args: readonly string[], limitMs: number): Promise<string> {
    const jest = path.join(this.folder, "node_modules/jest/bin/jest.js");
    // In a group of its own: a mistake may leave behind processes that its tests have started.
    const child = spawn(process.execPath, [jest, ...args], {
      cwd: this.folder,
      env: { ...process.env, FORCE_COLOR: "0" },
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    this.running = child;
    let output = "";
    child.stderr.on("data", (text: Buffer) => (output = (output + text.toString()).slice(-2_000)));
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.killRunning();
    }, limitMs);
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", () => resolve());
    });
    clearTimeout(timer);
    this.killRunning();
    return isLate ? `its tests did not end in ${limitMs / 1_000} s` : firstLine(output);
  }

  private killRunning(): void {
    const { pid } = this.running ?? {};
    this.running = undefined;
    if (pid === undefined) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // All of it has ended by itself.
    }
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
