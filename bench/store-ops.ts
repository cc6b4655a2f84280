/**
 * What a publish, a lease and an ack cost in the store itself, how long they take and how much CPU, whatever else is in it:
 * in one queue and in 10,000, on an empty queue, before 1,000,000 waiting messages, and beside 100,000 delayed ones.
 *
 *     npm run bench:store -- [--queues 10000] [--waiting 1000000] [--delayed 100000] [--messages 50000] [--rounds 3] [--json FILE]
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { CASE_OPTIONS, casesOf } from "./cases";
import { median, number, pairedRatio, table } from "./figures";
import { Child } from "./processes/child";
import { atRest } from "./processes/proc";
import type { Cost, Operation, StoreCosts } from "./processes/store-ops";
import { printVerdicts, writeJson, type Verdict } from "./report";
import { inScratchFolder } from "./scratch";

const { values } = parseArgs({
  options: {
    ...CASE_OPTIONS,
    messages: { type: "string", default: "50000" },
    rounds: { type: "string", default: "3" },
    json: { type: "string" },
  },
});
const run = { messages: Number(values.messages) };
const rounds = Number(values.rounds);
/** A cost may be this much above that of one empty queue. */
const MOST_MORE = 0.2;
const OPERATIONS: readonly Operation[] = ["publish", "lease", "ack"];
const KINDS = { elapsed: "until it is answered", cpu: "CPU" } as const satisfies Record<keyof Cost, string>;

interface Stand {
  readonly title: string;
  readonly store: Child;
  readonly costs: StoreCosts[];
}

async function main(folder: string): Promise<void> {
  const stands: Stand[] = [];
  try {
    for (const [index, { title, queues, filled }] of casesOf(values).entries()) {
      const file = path.join(folder, `case-${index}.db`);
      if (filled) await (await Child.start("fill.js", { file, queues, ...filled })).stop();
      const store = await Child.start("store-ops.js", { file, queues, waiting: filled?.messages ?? 0 });
      stands.push({ title, store, costs: [] });
    }
    await atRest(stands.map(({ store }) => store.pid));
    // The first round warms all of them up.
    for (let round = 0; round <= rounds; round++) {
      for (const { store, costs } of stands) {
        const cost = await store.ask<StoreCosts>(run);
        if (round > 0) costs.push(cost);
      }
    }
    const verdicts = (Object.keys(KINDS) as (keyof Cost)[]).flatMap((kind) => tell(stands, kind));
    printVerdicts(verdicts);
    writeJson(values.json, "store-ops", {
      ...run,
      rounds,
      cases: stands.map(({ title, costs }) => ({ title, costs })),
      verdicts,
    });
  } finally {
    for (const { store } of stands) await store.stop();
  }
}

/** Prints what everything costs by one measure. @returns the verdicts by it. */
function tell(stands: readonly Pick<Stand, "title" | "costs">[], kind: keyof Cost): Verdict[] {
  const of = (operation: Operation, costs: readonly StoreCosts[]): number[] =>
    costs.map((cost) => cost[operation][kind]);
  const base = stands[0]?.costs ?? [];
  const verdicts: Verdict[] = [];
  const rows = stands.map(({ title, costs }) => {
    const ratios = OPERATIONS.map((operation) => pairedRatio(of(operation, costs), of(operation, base)));
    const medians = OPERATIONS.map((operation) => median(of(operation, costs)));
    if (costs !== base) {
      verdicts.push({
        bar: `${title}, ${KINDS[kind]}: publish, lease and ack within ${MOST_MORE * 100} % of one empty queue`,
        met: ratios.every((ratio) => ratio <= 1 + MOST_MORE),
        measured: OPERATIONS.map((operation, place) => `${operation} ${number(ratios[place] ?? NaN, 2)} x`).join(", "),
      });
    }
    return [title, ...medians.map((cost) => number(cost, 2)), ...ratios.map((ratio) => number(ratio, 2))];
  });
  console.log(`µs a message, ${KINDS[kind]}`);
  console.log(table(["case", "publish µs", "lease µs", "ack µs", "publish", "lease", "ack"], rows));
  return verdicts;
}

void inScratchFolder(main);
