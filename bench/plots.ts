/**
 * Draws what `bench:peers --json FILE` has measured.
 *
 *     npm run bench:plots -- FILE [--to docs/plots]
 */
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import type { Sample } from "./contest";
import { median, number, spread } from "./figures";
import { chart, type Bar, type Panel } from "./svg";
import { SYSTEMS, type System, type SystemName } from "./systems";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { to: { type: "string", default: "docs/plots" } },
});
/** Below it, on a logarithmic scale, everything is the same: nothing at all. */
const LEAST_MS = 0.01;

function main(): void {
  const [file] = positionals;
  if (file === undefined) throw new Error("name the file that bench:peers --json has written");
  const { bench, samples } = JSON.parse(fs.readFileSync(file, "utf8")) as { bench: string; samples: readonly Sample[] };
  if (bench !== "peers") throw new Error(`${file} is of bench:${bench}, not of bench:peers`);
  fs.mkdirSync(values.to, { recursive: true });
  const free = samples.filter(({ rate }) => rate === undefined);
  const paced = samples.filter(({ rate }) => rate !== undefined);
  if (free.length > 0) write("throughput.svg", chart("Messages a second by messages in flight", throughput(free)));
  if (paced.length > 0) write("latency.svg", chart("Latency from publish to handler", latency(paced)));
}

function write(name: string, svg: string): void {
  const file = path.join(values.to, name);
  fs.writeFileSync(file, svg);
  console.log(`written: ${file}`);
}

function throughput(samples: readonly Sample[]): Panel[] {
  const windows = [...new Set(samples.map(({ window }) => window))].sort((a, b) => a - b);
  return windows.map((window) => {
    const bars = bySystem(samples.filter((sample) => sample.window === window)).map(([name, own]): Bar => {
      const rate = spread(own.map(({ perSecond }) => perSecond));
      return {
        ...labelled(name),
        value: rate.median,
        range: [rate.min, rate.max],
        text: `${number(rate.median)}/s`,
      };
    });
    return { title: `Messages a second, ${number(window)} in flight`, bars: bars.sort((a, b) => b.value - a.value) };
  });
}

function latency(samples: readonly Sample[]): Panel[] {
  const bars = bySystem(samples).map(([name, own]): Bar => {
    const p50 = median(own.map((sample) => sample.p50));
    const p99 = median(own.map((sample) => sample.p99));
    return { ...labelled(name), value: p50, behind: p99, text: `${number(p50, 2)} · ${number(p99, 2)} ms` };
  });
  const rate = number(samples[0]?.rate ?? NaN);
  const title = `From publish to handler at ${rate}/s: p50 and, paler, p99; milliseconds`;
  return [{ title, bars: bars.sort((a, b) => a.value - b.value), log: { from: LEAST_MS } }];
}

function labelled(name: SystemName): Pick<Bar, "label" | "kind"> {
  const system: System = SYSTEMS[name];
  return { label: system.title, kind: name === "waybill" ? "own" : system.floor === true ? "floor" : "peer" };
}

function bySystem(samples: readonly Sample[]): [SystemName, Sample[]][] {
  const names = [...new Set(samples.map(({ system }) => system))];
  return names.map((name) => [name, samples.filter(({ system }) => system === name)]);
}

main();
