/** The bars that Waybill is held to beside its peers: ratios within one run. */
import type { Sample } from "./contest";
import { median, number } from "./figures";
import type { Verdict } from "./report";
import { SYSTEMS, type System, type SystemName } from "./systems";

/** Bare Socket.IO doing the same work: published with an ack, delivered, and acked. */
const BARE = "relay-acked";

/** @param samples all with 500 in flight. */
export function throughputVerdicts(samples: readonly Sample[]): Verdict[] {
  const rates = medians(samples, ({ perSecond }) => perSecond);
  const own = rates.get("waybill");
  if (own === undefined) return [];
  const verdicts: Verdict[] = [];
  const fastest = [...rates].filter(isPeer).sort(([, a], [, b]) => b - a)[0];
  if (fastest) verdicts.push(ratioAtLeast("throughput at 500 in flight", 2.5, own, fastest));
  for (const floor of [BARE, "echo"] as const) {
    const rate = rates.get(floor);
    if (rate !== undefined) verdicts.push(ratioAtLeast("throughput at 500 in flight", 2, own, [floor, rate]));
  }
  const p99s = medians(samples, ({ p99 }) => p99);
  const p99 = p99s.get("waybill") ?? NaN;
  const best = [...p99s].filter(isPeer).sort(([, a], [, b]) => a - b)[0];
  if (best) {
    verdicts.push({
      bar: "p99 at 500 in flight below every peer's",
      met: p99 < best[1],
      measured: `${number(p99, 2)} ms; ${titleOf(best[0])} ${number(best[1], 2)} ms`,
    });
  }
  return verdicts;
}

/** @param samples all at one fixed rate. */
export function latencyVerdicts(samples: readonly Sample[]): Verdict[] {
  const bars = [
    { name: "p50", most: 2, of: medians(samples, ({ p50 }) => p50) },
    { name: "p99", most: 3, of: medians(samples, ({ p99 }) => p99) },
  ];
  return bars.flatMap(({ name, most, of }) => {
    const own = of.get("waybill");
    const bare = of.get(BARE);
    if (own === undefined || bare === undefined) return [];
    const measured = `${number(own / bare, 2)} x (${number(own, 2)} ms; ${number(bare, 2)} ms)`;
    const bar = `${name} at a fixed rate at most ${most} x that of ${titleOf(BARE)}`;
    return [{ bar, met: own <= most * bare, measured }];
  });
}

function ratioAtLeast(what: string, least: number, own: number, [name, rate]: [SystemName, number]): Verdict {
  return {
    bar: `${what} at least ${least} x that of ${titleOf(name)}`,
    met: own >= least * rate,
    measured: `${number(own / rate, 2)} x (${number(own)}/s; ${number(rate)}/s)`,
  };
}

function medians(samples: readonly Sample[], figure: (sample: Sample) => number): Map<SystemName, number> {
  const names = [...new Set(samples.map(({ system }) => system))];
  return new Map(names.map((name) => [name, median(samples.filter(({ system }) => system === name).map(figure))]));
}

function isPeer([name]: [SystemName, number]): boolean {
  const system: System = SYSTEMS[name];
  return name !== "waybill" && system.floor !== true;
}

function titleOf(name: SystemName): string {
  return SYSTEMS[name].title;
}
