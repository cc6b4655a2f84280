/** A thread that runs its share of a simulation's seeds. */
import { parentPort, workerData } from "node:worker_threads";
import { describeFailure } from "./report";
import { simulate } from "./simulation";
import { Tally, type Exercise } from "./tally";

/** Which seeds a thread runs: every `step`-th, from the first on, up to a time. */
export interface Share {
  readonly first: number;
  readonly step: number;
  readonly runs: number;
  readonly untilMs: number;
}

/** What a thread tells, from time to time. */
export interface Progress {
  readonly runs: number;
  readonly events: number;
  readonly failures: readonly string[];
  readonly counts: ReadonlyMap<Exercise, number>;
}

/** Runs between two reports. */
const REPORT_EVERY = 25;

async function runShare({ first, step, runs, untilMs }: Share): Promise<void> {
  let tally = new Tally();
  let done = 0;
  let events = 0;
  let failures: string[] = [];
  const report = (): void => {
    parentPort?.postMessage({ runs: done, events, failures, counts: tally.counts } satisfies Progress);
    [tally, done, events, failures] = [new Tally(), 0, 0, []];
  };
  for (let run = 0; run < runs && Date.now() < untilMs; run++) {
    const outcome = await simulate(first + run * step, tally);
    done++;
    events += outcome.history.events.length;
    if (outcome.breaches.length > 0) failures.push(describeFailure(outcome));
    if (done === REPORT_EVERY || failures.length > 0) report();
  }
  report();
}

// The hub's refusals are errors by the thousand, and nobody reads where they came from.
Error.stackTraceLimit = 0;
void runShare(workerData as Share);
