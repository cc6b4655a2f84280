/**
 * What a publish, a lease and an ack cost in the store itself, whatever else is in it: in one queue and in 10,000, on an
 * empty queue, before 1,000,000 waiting messages, and beside 100,000 delayed ones.
 *
 *     npm run bench:store -- [--queues 10000] [--waiting 1000000] [--delayed 100000] [--messages 50000] [--rounds 3] [--json FILE]
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { CASE_OPTIONS, casesOf } from "./cases";
import { median, number, pairedRatio, table } from "./figures";
import { Child } from "./processes/child";
import { atRest } from "./processes/proc";
import type { StoreCosts } from "./processes/store-ops";
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
const OPERATIONS = ["publish", "lease", "ack"] as const;

async function main(folder: string): Promise<void> {
  const stands: { readonly title: string; readonly store: Child; readonly costs: StoreCosts[] }[] = [];
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
    const rows: string[][] = [];
    const verdicts: Verdict[] = [];
    for (const { title, costs } of stands) {
      const of = (operation: (typeof OPERATIONS)[number], from = costs): number[] =>
        from.map((cost) => cost[operation]);
      const base = stands[0]?.costs ?? [];
      const ratios = OPERATIONS.map((operation) => pairedRatio(of(operation), of(operation, base)));
      const medians = OPERATIONS.map((operation) => median(of(operation)));
      rows.push([title, ...medians.map((cost) => number(cost, 2)), ...ratios.map((ratio) => number(ratio, 2))]);
      if (costs === base) continue;
      verdicts.push({
        bar: `${title}: publish, lease and ack within ${MOST_MORE * 100} % of one empty queue`,
        met: ratios.every((ratio) => ratio <= 1 + MOST_MORE),
        measured: OPERATIONS.map((operation, place) => `${operation} ${number(ratios[place] ?? NaN, 2)} x`).join(", "),
      });
    }
    console.log(table(["case", "publish µs", "lease µs", "ack µs", "publish", "lease", "ack"], rows));
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

void inScratchFolder(main);
