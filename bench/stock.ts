/**
 * A stock socket.io-client that publishes one by one, each with its ack, to Waybill, which stores it first, and to bare
 * Socket.IO, which does not.
 *
 *     npm run bench:stock -- [--windows 1,50,500] [--seconds 5] [--rounds 3] [--json FILE]
 */
import { parseArgs } from "node:util";
import { Contest, type Sample } from "./contest";
import { median, number, pairedRatio, spread, table, written } from "./figures";
import { printVerdicts, writeJson, type Verdict } from "./report";
import { SYSTEMS } from "./systems";

const { values } = parseArgs({
  options: {
    windows: { type: "string", default: "1,50,500" },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    json: { type: "string" },
  },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const windows = values.windows.split(",").map(Number);
/** Of bare Socket.IO's rate. */
const LEAST_RATIO = 0.8;

async function main(): Promise<void> {
  const contest = await Contest.start(["waybill-stock", "echo"]);
  const samples: Sample[] = [];
  try {
    await contest.round(0, { window: 500, seconds: Math.min(seconds, 2) }, () => {});
    for (const window of windows) {
      for (let round = 1; round <= rounds; round++) {
        await contest.round(round, { window, seconds }, (sample) => samples.push(sample));
      }
    }
  } finally {
    await contest.stop();
  }
  const rows = windows.flatMap((window) =>
    contest.names.map((name) => {
      const own = of(samples, name, window);
      const cells = [
        written(spread(own.map(({ perSecond }) => perSecond))),
        written(spread(own.map(({ p50 }) => p50)), 2),
        written(spread(own.map(({ p99 }) => p99)), 2),
      ];
      return [String(window), ...cells, SYSTEMS[name].title];
    }),
  );
  console.log(table(["in flight", "acked/s", "p50 ms", "p99 ms", "system "], rows));
  const verdicts = windows.map((window) => verdictOf(samples, window));
  printVerdicts(verdicts);
  writeJson(values.json, "stock", { seconds, rounds, samples, verdicts });
}

function verdictOf(samples: readonly Sample[], window: number): Verdict {
  const own = of(samples, "waybill-stock", window).map(({ perSecond }) => perSecond);
  const bare = of(samples, "echo", window).map(({ perSecond }) => perSecond);
  const ratio = pairedRatio(own, bare);
  return {
    bar: `stock client, ${window} in flight: at least ${LEAST_RATIO} x bare Socket.IO`,
    met: ratio >= LEAST_RATIO,
    measured: `${number(ratio, 2)} x (${number(median(own))}/s; ${number(median(bare))}/s)`,
  };
}

function of(samples: readonly Sample[], name: Sample["system"], window: number): readonly Sample[] {
  return samples.filter((sample) => sample.system === name && sample.window === window);
}

void main();
