/**
 * A hub that starts on a large backlog: how long until it listens, what memory it takes, when the first delivery comes,
 * and how fast a queue is drained.
 *
 *     npm run bench:backlog -- [--queues 10000] [--messages 1000000]
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { connect } from "../clients/hub-client";
import { Child } from "./processes/child";

const { values } = parseArgs({
  options: { queues: { type: "string", default: "10000" }, messages: { type: "string", default: "1000000" } },
});
const queues = Number(values.queues);
const messages = Number(values.messages);
/** Queues that are drained at once, through one connection. */
const DRAINED = Math.min(queues, 100);

async function main(): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-backlog-"));
  const file = path.join(folder, "backlog.db");
  try {
    const filledAt = performance.now();
    const fill = await Child.start("fill.js", { file, queues, messages });
    await fill.stop();
    const megabytes = (fs.statSync(file).size / 2 ** 20).toFixed(0);
    console.log(`filled ${messages} messages in ${queues} queues (${megabytes} MB) in ${seconds(filledAt)} s`);
    await measure(file);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(file: string): Promise<void> {
  const hub = await Child.start("hub.js", { file });
  const { url, startMs } = hub.ready as { url: string; startMs: number };
  const started = await hub.ask<{ rss: number }>({});
  console.log(
    `start until it listens: ${(startMs / 1000).toFixed(2)} s, memory ${(started.rss / 2 ** 20).toFixed(0)} MB`,
  );

  const client = connect(url, { clientId: "bench" });
  await client.ready();
  const expected = Math.floor(messages / queues) * DRAINED;
  let received = 0;
  let peak = started.rss;
  const askedAt = performance.now();
  await new Promise<void>((resolve, reject) => {
    const handle = (): void => {
      received++;
      if (received === 1) console.log(`first delivery after ${(performance.now() - askedAt).toFixed(0)} ms`);
      if (received === expected) resolve();
    };
    for (let queue = 0; queue < DRAINED; queue++) {
      client.consume(`queue-${queue}`, handle, { prefetch: 500 }).catch(reject);
    }
  });
  console.log(`drained ${received} messages of ${DRAINED} queues in ${seconds(askedAt)} s`);
  await client.close();
  peak = Math.max(peak, (await hub.ask<{ rss: number }>({})).rss);
  console.log(`memory of the hub afterwards: ${(peak / 2 ** 20).toFixed(0)} MB`);
  await hub.stop();
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(2);
}

void main();
