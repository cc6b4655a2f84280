/** What a bench leaves behind: verdicts against its bars, and with `--json FILE` all of its figures. */
import fs from "node:fs";
import os from "node:os";

/** One bar, and how far from it the run was. */
export interface Verdict {
  readonly bar: string;
  readonly met: boolean;
  /** What was measured, in words. */
  readonly measured: string;
}

/** Every bench that states bars ends with them. A bar that is missed is no failure of the run: it is its result. */
export function printVerdicts(verdicts: readonly Verdict[]): void {
  for (const { bar, met, measured } of verdicts) console.log(`${met ? "met   " : "MISSED"}  ${bar}: ${measured}`);
}

/** @param file as `--json` gave it; undefined for none. */
export function writeJson(file: string | undefined, bench: string, content: object): void {
  if (file === undefined) return;
  const cpus = os.cpus();
  const machine = {
    node: process.versions.node,
    system: `${os.type()} ${os.release()}`,
    cpus: `${cpus.length} x ${cpus[0]?.model ?? "?"}`,
    memory: os.totalmem(),
  };
  const body = { bench, at: new Date().toISOString(), command: process.argv.slice(2), machine, ...content };
  fs.writeFileSync(file, JSON.stringify(body, null, 2) + "\n");
  console.log(`written: ${file}`);
}
