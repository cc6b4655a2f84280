import { number } from "./figures";
import type { BalancedResult } from "./processes/balanced";
import type { Child, Usage } from "./processes/child";
import type { Verdict } from "./report";

/** A stretch of a long run. */
export interface Slice {
  readonly perSecond: number;
  /** The hub's resident memory at its end, in bytes. */
  readonly rss: number;
}

const SLICES = 20;
const MOST_LOSS = 0.15;
/** Memory may grow by this share from the second quarter of the run, by which all caches are full, to the last. */
const MOST_GROWTH = 0.15;

/** The same work for a long time: whether it slows down, or memory grows. */
export class Endurance {
  constructor(
    private readonly hub: Child,
    private readonly load: Child,
    private readonly window: number,
  ) {}

  async last(minutes: number): Promise<{ slices: readonly Slice[]; verdicts: readonly Verdict[] }> {
    const slices: Slice[] = [];
    const seconds = (minutes * 60) / SLICES;
    for (let slice = 1; slice <= SLICES; slice++) {
      const { messages, seconds: took } = await this.load.ask<BalancedResult>({ window: this.window, seconds });
      const { rss } = await this.hub.ask<Usage>({});
      slices.push({ perSecond: messages / took, rss });
      const minute = number((slice * minutes) / SLICES, 1);
      console.log(`minute ${minute}: ${number(messages / took)}/s, hub ${number(rss / 2 ** 20)} MB`);
    }
    return { slices, verdicts: verdictsOf(slices, minutes) };
  }
}

function verdictsOf(slices: readonly Slice[], minutes: number): Verdict[] {
  const quarter = SLICES / 4;
  const mean = (part: readonly Slice[]): number =>
    part.reduce((sum, { perSecond }) => sum + perSecond, 0) / part.length;
  const peak = (part: readonly Slice[]): number => Math.max(...part.map(({ rss }) => rss)) / 2 ** 20;
  const first = mean(slices.slice(0, quarter));
  const last = mean(slices.slice(-quarter));
  const early = peak(slices.slice(quarter, quarter * 2));
  const late = peak(slices.slice(-quarter));
  return [
    {
      bar: `${number(minutes, 1)} min: the last quarter within ${MOST_LOSS * 100} % of the first`,
      met: last >= (1 - MOST_LOSS) * first,
      measured: `${number(last / first, 2)} x (${number(last)}/s; ${number(first)}/s)`,
    },
    {
      bar: `${number(minutes, 1)} min: memory within ${MOST_GROWTH * 100} % from the second quarter to the last`,
      met: late <= (1 + MOST_GROWTH) * early,
      measured: `${number(late / early, 2)} x (${number(late)} MB; ${number(early)} MB)`,
    },
  ];
}
