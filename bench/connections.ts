/**
 * Many idle connections, and all of them coming back at once with messages waiting for each: Waybill beside bare
 * Socket.IO, whose clients only reconnect; with --backlog that one lets more than 511 wait to be accepted, as Waybill does.
 *
 *     npm run bench:connections -- [--count 10000] [--messages 10] [--processes 4] [--backlog 511] [--json FILE]
 */
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { connect } from "../clients/hub-client";
import { number, table } from "./figures";
import { order } from "./order";
import { Child, type Usage } from "./processes/child";
import type { CrowdQuestion, CrowdSettings, CrowdState } from "./processes/crowd";
import { printVerdicts, writeJson, type Verdict } from "./report";
import { inScratchFolder } from "./scratch";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "10000" },
    messages: { type: "string", default: "10" },
    processes: { type: "string", default: "4" },
    backlog: { type: "string", default: "511" },
    json: { type: "string" },
  },
});
const asked = Number(values.count);
const messages = Number(values.messages);
const processes = Number(values.processes);
const MOST_MEMORY = 1.25;
const MOST_TIME = 2;
/** Connecting is not what is measured at first: so many at a time in each process. */
const AT_ONCE = 50;
/** File descriptors of a server besides its connections. */
const OTHER_DESCRIPTORS = 200;

interface Outcome {
  /** Bytes of the server's resident memory, a connection. */
  readonly idle: number;
  /** With an inbox consumed. */
  readonly consuming?: number;
  readonly stormSeconds: number;
  readonly dropped: number;
}

async function main(folder: string): Promise<void> {
  const limit = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(fs.readFileSync("/proc/self/limits", "utf8"))?.[1]);
  // Node raises its own limit to the hard one.
  const count = Math.min(asked, limit - OTHER_DESCRIPTORS);
  if (count < asked) console.log(`this machine allows ${limit} open files a process: ${count} connections instead`);
  const bare = await measure(
    await Child.start("bare.js", { backlog: Number(values.backlog) }, COLLECTABLE),
    false,
    count,
  );
  const file = path.join(folder, "connections.db");
  const waybill = await measure(await Child.start("hub.js", { file }, COLLECTABLE), true, count);
  const kib = (bytes: number | undefined): string => number((bytes ?? NaN) / 1024, 1);
  const row = (title: string, { idle, consuming, stormSeconds, dropped }: Outcome): string[] => [
    title,
    kib(idle),
    kib(consuming),
    number(stormSeconds, 2),
    String(dropped),
  ];
  console.log(
    table(
      [`${number(count)} connections`, "KiB each, idle", "consuming", "s until all are back", "dropped"],
      [row("Socket.IO", bare), row(`Waybill, ${messages} messages each`, waybill)],
    ),
  );
  const verdicts = verdictsOf(waybill, bare, count);
  printVerdicts(verdicts);
  writeJson(values.json, "connections", { count, messages, processes, waybill, bare, verdicts });
}

const COLLECTABLE = { execArgv: ["--expose-gc"] };

async function measure(server: Child, waybill: boolean, count: number): Promise<Outcome> {
  const url = server.ready.url as string;
  const share = Math.ceil(count / processes);
  const crowd: Child[] = [];
  for (let from = 0; from < count; from += share) {
    const settings: CrowdSettings = { url, waybill, from, count: Math.min(share, count - from) };
    crowd.push(await Child.start("crowd.js", settings));
  }
  const ask = async (question: CrowdQuestion): Promise<number> => {
    const states = await Promise.all(crowd.map((each) => each.ask<CrowdState>(question)));
    return states.reduce((sum, { dropped }) => sum + dropped, 0);
  };
  try {
    const before = await memoryOf(server);
    await ask({ ask: "connect", atOnce: AT_ONCE });
    const idle = ((await memoryOf(server)) - before) / count;
    let consuming: number | undefined;
    if (waybill) {
      await ask({ ask: "consume" });
      consuming = ((await memoryOf(server)) - before) / count;
    }
    await ask({ ask: "leave" });
    while ((await server.ask<{ connections: number }>({})).connections > 0);
    if (waybill) await fillInboxes(url, count);
    const startedAt = performance.now();
    const dropped = await ask({ ask: "return", messages: waybill ? messages : 0 });
    return { idle, consuming, stormSeconds: (performance.now() - startedAt) / 1000, dropped };
  } finally {
    await Promise.all(crowd.map((each) => each.stop()));
    await server.stop();
  }
}

async function memoryOf(server: Child): Promise<number> {
  return (await server.ask<Usage>({ collect: true })).rss;
}

async function fillInboxes(url: string, count: number): Promise<void> {
  const client = connect(url, { clientId: "bench" });
  for (let round = 0; round < messages; round++) {
    const sent = Array.from({ length: count }, (_, member) =>
      client.publish({ client: `member-${member}`, event: "pickup", payload: order(round) }),
    );
    await Promise.all(sent);
  }
  await client.close();
}

function verdictsOf(waybill: Outcome, bare: Outcome, count: number): Verdict[] {
  return [
    {
      bar: `${number(asked)} idle connections on this machine`,
      met: count >= asked,
      measured: number(count),
    },
    {
      bar: `memory of an idle connection at most ${MOST_MEMORY} x bare Socket.IO's`,
      met: waybill.idle <= MOST_MEMORY * bare.idle,
      measured: `${number(waybill.idle / bare.idle, 2)} x`,
    },
    {
      bar: `all back, with ${messages} messages each, within ${MOST_TIME} x bare Socket.IO's time to reconnect`,
      met: waybill.stormSeconds <= MOST_TIME * bare.stormSeconds,
      measured: `${number(waybill.stormSeconds / bare.stormSeconds, 2)} x`,
    },
    { bar: "nobody dropped", met: waybill.dropped === 0, measured: String(waybill.dropped) },
  ];
}

void inScratchFolder(main);
