/** Publisher and consumer of one run, in one process, through a system's usual client. */
import { SYSTEMS, type SystemName } from "../systems";
import { order } from "../order";
import { answerBench, usage } from "./child";
import { Meter, type Measured } from "./meter";

export interface Run {
  readonly system: SystemName;
  readonly url: string;
  /** Messages kept on their way, or with `rate`: the most that are expected to be. */
  readonly window: number;
  /** Messages a second. Left out: as many as the window allows. */
  readonly rate?: number;
  readonly seconds: number;
}

export interface RunResult extends Measured {
  /** CPU time of this process during the run, in microseconds. */
  readonly cpu: number;
}

/** How long after the end of a run the last message may take to arrive before it counts as lost. */
const PATIENCE_MS = 30_000;
let runs = 0;

answerBench({ ready: true }, run, () => Promise.resolve());

async function run({ system, url, window, rate, seconds }: Run): Promise<RunResult> {
  const open = await SYSTEMS[system].client();
  const meter = new Meter(seconds);
  const queue = `bench-${process.pid}-${++runs}`;
  const link = await open({ url, queue, window }, (received) => meter.end((received as { number: number }).number));
  const cpuBefore = usage().cpu;
  const send = (number: number): Promise<unknown> => link.publish(order(number));
  const patience = setTimeout(
    () => {
      console.error(`${system}: ${meter.missing} messages have not come ${PATIENCE_MS} ms after the end of the run`);
      process.exit(1);
    },
    seconds * 1000 + PATIENCE_MS,
  );
  await (rate === undefined ? meter.runWindow(window, send) : meter.runRate(rate, send));
  clearTimeout(patience);
  const cpu = usage().cpu - cpuBefore;
  await link.close();
  return { ...meter.result(), cpu };
}
