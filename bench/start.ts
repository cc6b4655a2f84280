/**
 * How long `waybill hub` takes, as built, from the spawn of its process until its port takes connections: on an empty
 * store, and on one in which a million messages wait.
 *
 *     npm run bench:start -- [--times 10] [--messages 1000000] [--queues 10000] [--json FILE]
 */
import { spawn, type ChildProcess } from "node:child_process";
import net from "node:net";
import path from "node:path";
import { parseArgs } from "node:util";
import { number, spread, written, type Spread } from "./figures";
import { Child } from "./processes/child";
import { printVerdicts, writeJson, type Verdict } from "./report";
import { inScratchFolder } from "./scratch";
import { freePort } from "./servers/server";

const { values } = parseArgs({
  options: {
    times: { type: "string", default: "10" },
    messages: { type: "string", default: "1000000" },
    queues: { type: "string", default: "10000" },
    json: { type: "string" },
  },
});
const times = Number(values.times);
const messages = Number(values.messages);
const queues = Number(values.queues);
const PROGRAM = path.join(__dirname, "../../dist/bin/waybill.js");
const GIVE_UP_MS = 60_000;

async function main(folder: string): Promise<void> {
  const full = path.join(folder, "full.db");
  const fill = await Child.start("fill.js", { file: full, queues, messages });
  await fill.stop();
  const empty: number[] = [];
  const waiting: number[] = [];
  // The first start of each reads its files from the disk; those after it find them in memory, as a restart does.
  for (let time = 0; time <= times; time++) {
    const onEmpty = await startMs(path.join(folder, `empty-${time}.db`), folder);
    const onFull = await startMs(full, folder);
    console.log(
      `${time === 0 ? "first" : String(time).padStart(5)}  empty ${number(onEmpty)} ms  full ${number(onFull)} ms`,
    );
    if (time === 0) continue;
    empty.push(onEmpty);
    waiting.push(onFull);
  }
  const verdicts = [
    verdict("start on an empty store", 400, spread(empty)),
    verdict(`start with ${number(messages)} waiting in ${number(queues)} queues`, 1_000, spread(waiting)),
  ];
  printVerdicts(verdicts);
  writeJson(values.json, "start", { times, messages, queues, empty, waiting, verdicts });
}

function verdict(what: string, belowMs: number, taken: Spread): Verdict {
  return { bar: `${what}: below ${belowMs} ms`, met: taken.median < belowMs, measured: `${written(taken)} ms` };
}

async function startMs(file: string, folder: string): Promise<number> {
  const port = await freePort();
  const startedAt = performance.now();
  const hub = spawn(process.execPath, [PROGRAM, "hub", "--port", String(port), "--store", `sqlite:${file}`], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = new Promise<void>((resolve) => hub.once("exit", () => resolve()));
  try {
    await untilListening(hub, port, startedAt + GIVE_UP_MS);
    return performance.now() - startedAt;
  } finally {
    hub.kill("SIGTERM");
    await ended;
  }
}

/** Asks again after each millisecond: a refusal on loopback costs next to nothing. */
async function untilListening(hub: ChildProcess, port: number, until: number): Promise<void> {
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, "127.0.0.1");
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (open) return;
    if (hub.exitCode !== null || performance.now() > until) throw new Error("the hub did not start");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

void inScratchFolder(main);
