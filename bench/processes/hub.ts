/** A hub as its users start it, on a given SQLite file; where the bench gives settings, with those. */
import { createHub, type HubOptions } from "../../src/hub";
import { answerBench, usage } from "./child";
import { EventLoopWatch } from "./event-loop-watch";

const { file, settings } = JSON.parse(process.argv[2] ?? "{}") as { file: string; settings?: HubOptions };
const startedAt = performance.now();

void createHub({ ...settings, port: 0, store: `sqlite:${file}` }).then((hub) => {
  const startMs = performance.now() - startedAt;
  const watch = new EventLoopWatch();
  answerBench(
    { url: hub.url, startMs, ...usage() },
    async (question: { watchLoop?: "start" | "stop"; collect?: boolean }) => {
      if (question.watchLoop === "start") watch.start();
      if (question.collect === true) globalThis.gc?.();
      const delay = question.watchLoop === "stop" ? watch.stop() : {};
      return { ...usage(), ...hub.counts(), ...delay };
    },
    () => hub.close(),
  );
});
