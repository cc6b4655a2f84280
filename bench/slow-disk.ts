/**
 * Waybill on a disk whose fsync takes long: each commit of the storage thread is held up by so many milliseconds more.
 * What is in flight must then share commits.
 *
 *     npm run bench:slow-disk -- [--fsync-ms 5] [--in-flight 500] [--seconds 5] [--rounds 3] [--json FILE]
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { number, spread, written } from "./figures";
import { Child } from "./processes/child";
import type { RunResult } from "./processes/load";
import { printVerdicts, writeJson, type Verdict } from "./report";
import { inScratchFolder } from "./scratch";

const { values } = parseArgs({
  options: {
    "fsync-ms": { type: "string", default: "5" },
    "in-flight": { type: "string", default: "500" },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    json: { type: "string" },
  },
});
const fsyncMs = Number(values["fsync-ms"]);
const window = Number(values["in-flight"]);
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const LEAST_PER_SECOND = 10_000;

async function main(folder: string): Promise<void> {
  const preload = path.join(__dirname, "processes", "slow-disk.js");
  const env = {
    ...process.env,
    BENCH_FSYNC_MS: String(fsyncMs),
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --require ${JSON.stringify(preload)}`,
  };
  const hub = await Child.start("hub.js", { file: path.join(folder, "slow.db") }, { env });
  const load = await Child.start("load.js", {});
  const run = (inFlight: number): Promise<RunResult> =>
    load.ask<RunResult>({ system: "waybill", url: hub.ready.url, window: inFlight, seconds });
  try {
    const single = await run(1);
    console.log(`fsync + ${fsyncMs} ms, 1 in flight: p50 ${number(single.p50, 2)} ms`);
    if (single.p50 < fsyncMs) throw new Error("the disk is not slow: the commit that is to be held up is not found");
    const rates: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const { messages, seconds: took, p50, p99 } = await run(window);
      const figures = `${number(messages / took)}/s  p50 ${number(p50, 2)} ms  p99 ${number(p99, 2)} ms`;
      console.log(`${round === 0 ? "warm-up" : `round ${round}`}  ${window} in flight: ${figures}`);
      if (round > 0) rates.push(messages / took);
    }
    const rate = spread(rates);
    const verdict: Verdict = {
      bar: `fsync + ${fsyncMs} ms, ${window} in flight: at least ${number(LEAST_PER_SECOND)}/s`,
      met: rate.median >= LEAST_PER_SECOND,
      measured: `${written(rate)}/s`,
    };
    printVerdicts([verdict]);
    writeJson(values.json, "slow-disk", { fsyncMs, window, seconds, single, rates, verdicts: [verdict] });
  } finally {
    await Promise.all([load.stop(), hub.stop()]);
  }
}

void inScratchFolder(main);
