import { fork, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { ChildOrders } from "./crash-child";
import { CrashRecord } from "./crash-record";
import type { ScratchSettings } from "./scratch-store";

/** Longest time under load before a kill, in milliseconds. */
const LIFE_MS = 250;
/** Numbers that a child may have given out and did not live to tell. */
const NUMBER_MARGIN = 1_000_000;

export interface CrashTestOptions {
  readonly file: string;
  readonly settings: ScratchSettings;
  readonly crashes: number;
  /** Told after each crash. */
  readonly onCrash: (crash: number) => void;
  /** The program that works on the store, another one in tests. */
  readonly child?: string;
}

/** Kills a process that works on a store, again and again, and holds each start against what was confirmed before. */
export class CrashTest {
  readonly record = new CrashRecord();
  private running: ChildProcess | undefined;
  private stopped = false;

  constructor(private readonly options: CrashTestOptions) {}

  /** @throws Error when the store does not open any more. */
  async run(): Promise<CrashRecord> {
    for (let crash = 1; crash <= this.options.crashes && !this.stopped; crash++) {
      await this.runChild(false);
      this.record.crashed();
      this.options.onCrash(crash);
    }
    if (!this.stopped) await this.runChild(true);
    return this.record;
  }

  /** Ends what runs. */
  stop(): void {
    this.stopped = true;
    this.running?.kill("SIGKILL");
  }

  /** Resolves when the child is gone and what it noted is taken in. */
  private async runChild(lookOnly: boolean): Promise<void> {
    const { file, settings, child: program = CHILD } = this.options;
    const notes = `${file}-notes`;
    fs.rmSync(notes, { force: true });
    const firstNumber = this.record.highestNumber + NUMBER_MARGIN;
    const orders: ChildOrders = { file, notes, settings, lookOnly, firstNumber };
    const loader = program.endsWith(".ts") ? ["-r", require.resolve("ts-node/register/transpile-only")] : [];
    const child = fork(program, [JSON.stringify(orders)], {
      execArgv: loader,
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.running = child;
    let errors = "";
    child.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    child.once("message", () => setTimeout(() => child.kill("SIGKILL"), Math.random() * LIFE_MS));
    const { code, signal } = await endOf(child);
    if (this.stopped) return;
    if (lookOnly ? code !== 0 : signal !== "SIGKILL") {
      throw new Error(
        `the store did not go on: ${errors.trim() || `its process ended with ${String(code ?? signal)}`}`,
      );
    }
    for (const line of fs.readFileSync(notes, "utf8").split("\n")) this.record.note(line);
  }
}

const CHILD = path.join(__dirname, `crash-child${path.extname(__filename)}`);

function endOf(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
}
