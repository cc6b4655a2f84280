/** The bars that Waybill is held to beside its peers: ratios within one run. */
import type { Sample } from "./contest";
import { median, number, pairedRatio } from "./figures";
import type { Verdict } from "./report";
import { SYSTEMS, type System, type SystemName } from "./systems";

/** Bare Socket.IO doing the same work: published with an ack, delivered, and acked. */
const BARE = "relay-acked";

/** A figure of each system, round by round. */
type Figures = ReadonlyMap<SystemName, readonly number[]>;

/** @param samples all with 500 in flight. */
export function throughputVerdicts(samples: readonly Sample[]): Verdict[] {
  const rates = figuresOf(samples, ({ perSecond }) => perSecond);
  const fastest = best(rates, (a, b) => b - a);
  return [
    ...ratioAtLeast("throughput at 500 in flight", 2.5, rates, fastest),
    ...ratioAtLeast("throughput at 500 in flight", 2, rates, BARE),
    ...ratioAtLeast("throughput at 500 in flight", 2, rates, "echo"),
    ...p99BelowPeers(figuresOf(samples, ({ p99 }) => p99)),
  ];
}

/** @param samples all at one fixed rate. */
export function latencyVerdicts(samples: readonly Sample[]): Verdict[] {
  const bars = [
    { name: "p50", most: 2, of: figuresOf(samples, ({ p50 }) => p50) },
    { name: "p99", most: 3, of: figuresOf(samples, ({ p99 }) => p99) },
  ];
  return bars.flatMap(({ name, most, of }) => {
    const own = of.get("waybill");
    const bare = of.get(BARE);
    if (own === undefined || bare === undefined) return [];
    const ratio = pairedRatio(own, bare);
    const measured = `${number(ratio, 2)} x (${number(median(own), 2)} ms; ${number(median(bare), 2)} ms)`;
    return [
      { bar: `${name} at a fixed rate at most ${most} x that of ${titleOf(BARE)}`, met: ratio <= most, measured },
    ];
  });
}

function ratioAtLeast(what: string, least: number, rates: Figures, name: SystemName | undefined): Verdict[] {
  const own = rates.get("waybill");
  const other = name && rates.get(name);
  if (name === undefined || own === undefined || other === undefined) return [];
  const ratio = pairedRatio(own, other);
  const measured = `${number(ratio, 2)} x (${number(median(own))}/s; ${number(median(other))}/s)`;
  return [{ bar: `${what} at least ${least} x that of ${titleOf(name)}`, met: ratio >= least, measured }];
}

function p99BelowPeers(p99s: Figures): Verdict[] {
  const name = best(p99s, (a, b) => a - b);
  const own = p99s.get("waybill");
  const lowest = name && p99s.get(name);
  if (name === undefined || own === undefined || lowest === undefined) return [];
  const measured = `${number(median(own), 2)} ms; ${titleOf(name)} ${number(median(lowest), 2)} ms`;
  return [{ bar: "p99 at 500 in flight below every peer's", met: median(own) < median(lowest), measured }];
}

/** The peer whose median comes first. */
function best(figures: Figures, order: (a: number, b: number) => number): SystemName | undefined {
  const peers = [...figures].filter(([name]) => isPeer(name));
  return peers.sort(([, a], [, b]) => order(median(a), median(b)))[0]?.[0];
}

function figuresOf(samples: readonly Sample[], figure: (sample: Sample) => number): Figures {
  const names = [...new Set(samples.map(({ system }) => system))];
  return new Map(names.map((name) => [name, samples.filter(({ system }) => system === name).map(figure)]));
}

function isPeer(name: SystemName): boolean {
  const system: System = SYSTEMS[name];
  return name !== "waybill" && system.floor !== true;
}

function titleOf(name: SystemName): string {
  return SYSTEMS[name].title;
}
