/**
 * Waybill beside what one would take instead: the same work for all, each through its usual client.
 *
 *     npm run bench:peers -- [--systems waybill,redis] [--windows 1,50,500,2000] [--rate 1000] [--seconds 5] [--rounds 3]
 *                            [--json FILE]
 *
 * A message is an order of about 300 bytes as JSON. It counts when its publish is confirmed and its handler, in the same
 * process, has returned, which acks it. Rounds alternate between the systems.
 */
import { parseArgs } from "node:util";
import { Contest, type Sample } from "./contest";
import { megabytes, median, number, spread, table, written } from "./figures";
import { latencyVerdicts, throughputVerdicts } from "./bars";
import { printVerdicts, writeJson } from "./report";
import { SIDE_BY_SIDE, SYSTEM_NAMES, SYSTEMS, type SystemName } from "./systems";

const { values } = parseArgs({
  options: {
    systems: { type: "string", default: SIDE_BY_SIDE.join(",") },
    windows: { type: "string", default: "1,50,500,2000" },
    rate: { type: "string", default: "1000" },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    json: { type: "string" },
  },
});

const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const windows = values.windows.split(",").filter(Boolean).map(Number);
/** 0 leaves the run at a fixed rate out. */
const rate = Number(values.rate);
/** Enough for every client and server to be compiled by its JIT. */
const WARM_UP = { window: 500, seconds: Math.min(seconds, 2) };
/** Credit of the consumer at a fixed rate: far more than should ever be on its way. */
const RATE_WINDOW = 500;

async function main(): Promise<void> {
  const contest = await Contest.start(values.systems.split(",").map(systemNamed));
  try {
    for (const name of contest.names) console.log(`${SYSTEMS[name].title}: ${contest.versionsOf(name)}`);
    console.log(`${seconds} s a run, ${rounds} rounds, ~300-byte payloads`);
    await contest.round(0, WARM_UP, (sample) => console.log(`warm-up  ${line(sample)}`));
    const runs = windows.map((window) => ({ window, seconds }));
    if (rate > 0) runs.push({ window: RATE_WINDOW, rate, seconds } as (typeof runs)[number]);
    const samples: Sample[] = [];
    for (const run of runs) {
      for (let round = 1; round <= rounds; round++) {
        await contest.round(round, run, (sample) => {
          samples.push(sample);
          console.log(`round ${round}  ${line(sample)}`);
        });
      }
    }
    conclude(contest, samples);
  } finally {
    await contest.stop();
  }
}

function conclude(contest: Contest, samples: readonly Sample[]): void {
  for (const window of windows) {
    const chosen = samples.filter((sample) => sample.window === window && sample.rate === undefined);
    console.log(`\n${window} in flight: medians of ${rounds} rounds (and lowest–highest)\n${summary(contest, chosen)}`);
  }
  const paced = samples.filter((sample) => sample.rate !== undefined);
  if (rate > 0) console.log(`\n${number(rate)}/s\n${summary(contest, paced)}`);
  const verdicts = [
    ...throughputVerdicts(samples.filter((sample) => sample.window === 500 && sample.rate === undefined)),
    ...latencyVerdicts(paced),
  ];
  console.log();
  printVerdicts(verdicts);
  const systems = contest.names.map((name) => {
    const { title, durability } = SYSTEMS[name];
    return { name, title, durability, versions: contest.versionsOf(name) };
  });
  writeJson(values.json, "peers", { seconds, rounds, systems, samples, verdicts });
}

/** One line a system. */
function summary(contest: Contest, samples: readonly Sample[]): string {
  const rows = contest.names.map((name) => {
    const own = samples.filter(({ system }) => system === name);
    const of = (figure: (sample: Sample) => number): number[] => own.map(figure);
    const { title, durability } = SYSTEMS[name];
    return [
      title,
      written(spread(of(({ perSecond }) => perSecond))),
      written(spread(of(({ p50 }) => p50)), 2),
      written(spread(of(({ p99 }) => p99)), 2),
      number(median(of(({ serverCpu }) => serverCpu)), 1),
      number(median(of(({ clientCpu }) => clientCpu)), 1),
      number(megabytes(Math.max(...of(({ serverPeak }) => serverPeak)))),
      number(megabytes(Math.max(...of(({ clientPeak }) => clientPeak)))),
      durability,
    ];
  });
  const head = ["system", "messages/s", "p50 ms", "p99 ms", "CPU µs/message: server", "client"];
  return table([...head, "peak MB: server", "client", "confirmed means "], rows);
}

function line(sample: Sample): string {
  const { system, window, perSecond, p50, p99, duplicates } = sample;
  const what = sample.rate === undefined ? `${window} in flight` : `${sample.rate}/s`;
  const again = duplicates > 0 ? `  (${duplicates} delivered again)` : "";
  const figures = `${number(perSecond).padStart(8)}/s  p50 ${number(p50, 2)} ms  p99 ${number(p99, 2)} ms`;
  return `${what.padEnd(14)} ${system.padEnd(17)} ${figures}${again}`;
}

function systemNamed(text: string): SystemName {
  const name = SYSTEM_NAMES.find((each) => each === text);
  if (name === undefined) throw new Error(`"${text}" is no system; there are ${SYSTEM_NAMES.join(", ")}`);
  return name;
}

void main();
