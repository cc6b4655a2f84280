/**
 * The hub in simulated time, with all that can go wrong, held against its promises: as many runs as are asked for, each
 * from a seed of its own, or one of them again.
 *
 *     npm run sim -- [--runs 1000] [--minutes 5] [--from SEED]
 *     npm run sim -- --seed SEED [--trace]
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { describeFailure } from "./report";
import type { Progress, Share } from "./share";
import { simulate } from "./simulation";
import { Tally } from "./tally";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    runs: { type: "string" },
    minutes: { type: "string" },
    from: { type: "string" },
  },
});

const THREADS = 2;
const DEFAULT_RUNS = 1_000;
/** Past so many the rest is mostly the same. */
const MAX_FAILURES = 5;
/** Runs in which everything that is in the tally has to come up. */
const ENOUGH_RUNS = 500;

async function main(): Promise<void> {
  if (values.seed !== undefined) return runOne(Number(values.seed));
  const minutes = values.minutes === undefined ? Infinity : Number(values.minutes);
  const runs = Number(values.runs ?? (minutes < Infinity ? Infinity : DEFAULT_RUNS));
  await runMany(Number(values.from ?? Date.now() % 2 ** 31), runs, Date.now() + minutes * 60_000);
}

async function runOne(seed: number): Promise<void> {
  const outcome = await simulate(seed);
  if (values.trace) for (const line of outcome.history.lines()) console.log(line);
  console.log(describeFailure(outcome));
  process.exitCode = outcome.breaches.length > 0 ? 1 : 0;
}

async function runMany(first: number, runs: number, untilMs: number): Promise<void> {
  console.log(`seeds from ${first} on`);
  const startedAt = performance.now();
  const total = new Tally();
  const failures: string[] = [];
  let done = 0;
  let shownAt = 0;
  const hear = (progress: Progress): void => {
    done += progress.runs;
    for (const [name, count] of progress.counts) total.add(name, count);
    for (const failure of progress.failures) {
      failures.push(failure);
      if (failures.length <= MAX_FAILURES) console.log(`\n${failure}`);
    }
    if (performance.now() - shownAt < 5_000) return;
    shownAt = performance.now();
    console.log(`${done} runs, ${failures.length} failed`);
  };
  const shares = Array.from({ length: THREADS }, (_, index): Share => {
    return { first: first + index, step: THREADS, runs: Math.ceil((runs - index) / THREADS), untilMs };
  });
  await Promise.all(shares.map((share) => runShare(share, hear, () => failures.length >= MAX_FAILURES)));
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(`\n${done} runs in ${seconds.toFixed(1)} s, ${failures.length} failed. They came upon:`);
  for (const [name, count] of total.counts) console.log(`${String(count).padStart(9)}  ${name}`);
  const missing = done >= ENOUGH_RUNS ? total.missing() : [];
  if (missing.length > 0) console.log(`Never: ${missing.join(", ")}. So nothing is said about these.`);
  process.exitCode = failures.length > 0 || missing.length > 0 ? 1 : 0;
}

/** Runs a share in a thread of its own, to its end or until there have been failures enough. */
function runShare(share: Share, hear: (progress: Progress) => void, isEnough: () => boolean): Promise<void> {
  const extension = path.extname(__filename);
  const execArgv = extension === ".ts" ? ["-r", require.resolve("ts-node/register/transpile-only")] : [];
  const worker = new Worker(path.join(__dirname, `share${extension}`), { workerData: share, execArgv });
  return new Promise((resolve, reject) => {
    worker.on("message", (progress: Progress) => {
      hear(progress);
      if (isEnough()) void worker.terminate();
    });
    worker.on("error", reject);
    worker.on("exit", () => resolve());
  });
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
