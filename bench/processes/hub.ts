/** A hub as its users start it, on a given SQLite file. */
import { createHub } from "../../src/hub";
import { answerBench, usage } from "./child";

const settings = JSON.parse(process.argv[2] ?? "{}") as { file: string };
const startedAt = performance.now();

void createHub({ port: 0, store: `sqlite:${settings.file}` }).then((hub) => {
  const startMs = performance.now() - startedAt;
  answerBench(
    { url: hub.url, startMs, ...usage() },
    () => Promise.resolve(usage()),
    () => hub.close(),
  );
});
