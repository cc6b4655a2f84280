import type { Store } from "../../src/queue/store";
import { Latencies } from "./latencies";
import { testMessage } from "./test-message";

export interface Throughput {
  readonly inFlight: number;
  readonly perSecond: number;
  readonly latencies: Latencies;
}

/** Publishes for a while, with so many unconfirmed at any time, each on its own. */
export async function measureThroughput(store: Store, inFlight: number, forMs: number): Promise<Throughput> {
  const latencies = new Latencies();
  const from = performance.now();
  const until = from + forMs;
  let number = 0;
  const lane = async (): Promise<void> => {
    for (let now = performance.now(); now < until; now = performance.now()) {
      const [result] = await store.append([testMessage(`speed-${inFlight}`, number++)]);
      if (result && "error" in result) throw result.error;
      latencies.add(performance.now() - now);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return { inFlight, perSecond: (latencies.count / (performance.now() - from)) * 1000, latencies };
}
