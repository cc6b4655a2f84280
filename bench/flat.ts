/**
 * Whether a message costs the same whatever else is there: the same work, publish to ack, in 1 and in 10,000 queues, on an
 * empty queue, before 1,000,000 waiting messages, and beside 100,000 delayed ones; and then for a long time.
 *
 *     npm run bench:flat -- [--queues 10000] [--waiting 1000000] [--delayed 100000] [--in-flight 500] [--seconds 5]
 *                           [--rounds 3] [--minutes 0.5] [--json FILE]
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { CASE_OPTIONS, casesOf, type Case } from "./cases";
import { median, number, pairedRatio, spread, table, written } from "./figures";
import { Endurance } from "./endurance";
import type { BalancedResult } from "./processes/balanced";
import { Child, type Usage } from "./processes/child";
import { atRest } from "./processes/proc";
import { printVerdicts, writeJson, type Verdict } from "./report";
import { inScratchFolder } from "./scratch";

const { values } = parseArgs({
  options: {
    ...CASE_OPTIONS,
    "in-flight": { type: "string", default: "500" },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    minutes: { type: "string", default: "0.5" },
    json: { type: "string" },
  },
});
const run = { window: Number(values["in-flight"]), seconds: Number(values.seconds) };
const rounds = Number(values.rounds);
/** A rate may be this much below that of one empty queue. */
const MOST_LOSS = 0.15;

/** A case with a hub and a client of its own. */
interface Stand {
  readonly each: Case;
  readonly hub: Child;
  readonly load: Child;
  readonly rates: number[];
}

async function main(folder: string): Promise<void> {
  const stands: Stand[] = [];
  try {
    for (const [index, each] of casesOf(values).entries()) {
      stands.push(await setUp(each, path.join(folder, `case-${index}.db`)));
    }
    await atRest(stands.flatMap(({ hub, load }) => [hub.pid, load.pid]));
    for (let round = 0; round <= rounds; round++) {
      for (const { each, load, rates } of stands) {
        const { messages, seconds } = await load.ask<BalancedResult>(run);
        console.log(`${round === 0 ? "warm-up" : `round ${round}`}  ${each.title}: ${number(messages / seconds)}/s`);
        if (round > 0) rates.push(messages / seconds);
      }
    }
    const verdicts = await conclude(stands);
    const plain = stands[0];
    const minutes = Number(values.minutes);
    const endurance =
      plain && minutes > 0 ? await new Endurance(plain.hub, plain.load, run.window).last(minutes) : undefined;
    if (endurance) verdicts.push(...endurance.verdicts);
    printVerdicts(verdicts);
    const cases = stands.map(({ each, rates }) => ({ title: each.title, rates }));
    writeJson(values.json, "flat", { ...run, rounds, cases, slices: endurance?.slices, verdicts });
  } finally {
    for (const { load, hub } of stands) await load.stop().then(() => hub.stop());
  }
}

async function setUp(each: Case, file: string): Promise<Stand> {
  if (each.filled) {
    const fill = await Child.start("fill.js", { file, queues: each.queues, ...each.filled });
    await fill.stop();
  }
  const waiting = each.filled?.messages ?? 0;
  // Room for what is in flight beside what waits, and for all queues and consumers to be of one connection.
  const settings = {
    maxConsumers: each.queues + 100,
    maxQueuesPerClient: each.queues + 100,
    maxQueueMessages: 1_000_000 + waiting,
  };
  const hub = await Child.start("hub.js", { file, settings });
  const load = await Child.start("balanced.js", { url: hub.ready.url, queues: each.queues });
  return { each, hub, load, rates: [] };
}

async function conclude(stands: readonly Stand[]): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const rows: string[][] = [];
  const base = stands[0]?.rates ?? [];
  for (const { each, hub, rates } of stands) {
    const ratio = pairedRatio(rates, base);
    const { rss } = await hub.ask<Usage>({});
    rows.push([each.title, written(spread(rates)), number(ratio, 2), number(rss / 2 ** 20)]);
    if (rates === base) continue;
    verdicts.push({
      bar: `${each.title}: within ${MOST_LOSS * 100} % of one empty queue`,
      met: ratio >= 1 - MOST_LOSS,
      measured: `${number(ratio, 2)} x (${number(median(rates))}/s; ${number(median(base))}/s)`,
    });
  }
  console.log(table(["case", "messages/s", "ratio", "hub MB"], rows));
  return verdicts;
}

void inScratchFolder(main);
