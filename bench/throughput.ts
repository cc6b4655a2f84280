/**
 * Publish → durable → deliver → ack through the client library, beside bare Socket.IO without storage: passed on to a
 * listener with one ack a message (`relay`), and only acknowledged (`echo`: no delivery at all, the protocol's floor).
 * Server and client are processes of their own; rounds alternate, so that all meet the same machine.
 *
 *     npm run bench -- [--in-flight 500] [--seconds 5] [--rounds 3] [--json FILE]
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { median } from "./figures";
import { Child, type Usage } from "./processes/child";
import type { RunResult } from "./processes/load";
import { writeJson } from "./report";
import { inScratchFolder } from "./scratch";

const { values } = parseArgs({
  options: {
    "in-flight": { type: "string", default: "500" },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    json: { type: "string" },
  },
});

const run = { window: Number(values["in-flight"]), seconds: Number(values.seconds) };
const rounds = Number(values.rounds);
const TARGETS = ["waybill", "relay", "echo"] as const;
type Target = (typeof TARGETS)[number];

async function main(folder: string): Promise<void> {
  const hub = await Child.start("hub.js", { file: path.join(folder, "bench.db") });
  const bare = await Child.start("bare.js", {});
  const load = await Child.start("load.js", {});
  try {
    console.log(`${run.window} in flight, ${run.seconds} s a run, ${rounds} rounds, ~300-byte payloads`);
    console.log("round  system     messages/s   p50 ms   p99 ms   server MB   cpu µs/message: server  client");
    const rates: Record<Target, number[]> = { waybill: [], relay: [], echo: [] };
    const samples: object[] = [];
    for (let round = 0; round <= rounds; round++) {
      for (const target of TARGETS) {
        const server = target === "waybill" ? hub : bare;
        const before = await server.ask<Usage>({});
        const result = await load.ask<RunResult>({ system: target, url: server.ready.url, ...run });
        const after = await server.ask<Usage>({});
        const serverCpu = after.cpu - before.cpu;
        // The first round warms both up.
        if (round > 0) {
          rates[target].push(result.messages / result.seconds);
          samples.push({ round, system: target, ...result, serverCpu, serverRss: after.rss });
        }
        console.log(row(round, target, result, after.rss, serverCpu));
      }
    }
    const waybill = median(rates.waybill);
    console.log(`median messages/s: waybill ${waybill.toFixed(0)}`);
    for (const bareTarget of ["relay", "echo"] as const) {
      const rate = median(rates[bareTarget]);
      console.log(`  ${(waybill / rate).toFixed(2)} x bare Socket.IO's ${bareTarget} (${rate.toFixed(0)})`);
    }
    writeJson(values.json, "throughput", { ...run, rounds, samples });
  } finally {
    await Promise.all([hub.stop(), bare.stop(), load.stop()]);
  }
}

function row(round: number, target: Target, result: RunResult, rss: number, serverCpu: number): string {
  const { messages, seconds, p50, p99, cpu } = result;
  const cells: [value: number, digits: number, width: number][] = [
    [messages / seconds, 0, 10],
    [p50, 2, 8],
    [p99, 2, 8],
    [rss / 2 ** 20, 0, 9],
    [serverCpu / messages, 1, 24],
    [cpu / messages, 1, 7],
  ];
  const figures = cells.map(([value, digits, width]) => value.toFixed(digits).padStart(width));
  return [round === 0 ? "warm " : `${round}    `, target.padEnd(8), ...figures].join(" ");
}

void inScratchFolder(main);
