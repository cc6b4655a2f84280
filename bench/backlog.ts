/**
 * A hub that starts on a large backlog: how long until it listens, what memory it takes, when the first delivery comes,
 * and how fast a queue is drained, beside the rate at which the same hub carries fresh messages.
 *
 *     npm run bench:backlog -- [--queues 10000] [--messages 1000000] [--seconds 5] [--json FILE]
 */
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { connect, type HubClient } from "../clients/hub-client";
import { median, number } from "./figures";
import { order } from "./order";
import { Child } from "./processes/child";
import type { RunResult } from "./processes/load";
import { atRest, footprint } from "./processes/proc";
import { printVerdicts, writeJson, type Verdict } from "./report";
import { inScratchFolder } from "./scratch";

const { values } = parseArgs({
  options: {
    queues: { type: "string", default: "10000" },
    messages: { type: "string", default: "1000000" },
    seconds: { type: "string", default: "5" },
    json: { type: "string" },
  },
});
const queues = Number(values.queues);
const messages = Number(values.messages);
/** Queues that are drained at once, through one connection. */
const DRAINED = Math.min(queues, 1_000);

/** A drain of fewer messages is over before it has found its pace. */
const LEAST_DRAINED = 100_000;
/** Between a publish of somebody else and the next. */
const BYSTANDER_EVERY_MS = 5;
const LEAST_RATIO = 0.8;
const MOST_START_MS = 1_000;

async function main(folder: string): Promise<void> {
  const file = path.join(folder, "backlog.db");
  const filledAt = performance.now();
  const fill = await Child.start("fill.js", { file, queues, messages });
  await fill.stop();
  const megabytes = (fs.statSync(file).size / 2 ** 20).toFixed(0);
  console.log(`filled ${messages} messages in ${queues} queues (${megabytes} MB) in ${seconds(filledAt)} s`);
  await measure(file);
}

async function measure(file: string): Promise<void> {
  const hub = await Child.start("hub.js", {
    file,
    settings: { maxQueuesPerClient: queues + 100, maxConsumers: DRAINED },
  });
  const { url, startMs } = hub.ready as { url: string; startMs: number };
  const started = await hub.ask<{ rss: number }>({});
  console.log(
    `start until it listens: ${(startMs / 1000).toFixed(2)} s, memory ${(started.rss / 2 ** 20).toFixed(0)} MB`,
  );

  const client = connect(url, { clientId: "bench" });
  await client.ready();
  const expected = Math.floor(messages / queues) * DRAINED;
  let received = 0;
  const bystander = new Bystander(url);
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
  const drainedPerSecond = (received / (performance.now() - askedAt)) * 1000;
  console.log(`drained ${received} messages of ${DRAINED} queues in ${seconds(askedAt)} s`);
  const waits = await bystander.stop();
  const { p50, most } = waits;
  console.log(`another client's publishes meanwhile took ${number(p50)} ms, ${number(most)} ms at the most`);
  await client.close();
  const { peak } = footprint(hub.pid);
  console.log(`memory of the hub, at the most: ${(peak / 2 ** 20).toFixed(0)} MB`);
  await atRest([hub.pid]);
  const livePerSecond = await carryLive(url);
  console.log(`live, 500 in flight: ${number(livePerSecond)}/s; drained at ${number(drainedPerSecond)}/s`);
  await hub.stop();
  const verdicts: Verdict[] = [
    { bar: `start below ${MOST_START_MS} ms`, met: startMs < MOST_START_MS, measured: `${number(startMs)} ms` },
  ];
  if (received >= LEAST_DRAINED) {
    verdicts.push({
      bar: `drained at ${LEAST_RATIO} x the live rate or better`,
      met: drainedPerSecond >= LEAST_RATIO * livePerSecond,
      measured: `${number(drainedPerSecond / livePerSecond, 2)} x`,
    });
  }
  printVerdicts(verdicts);
  const figures = { startMs, drainedPerSecond, livePerSecond, peak, waits };
  writeJson(values.json, "backlog", { queues, messages, ...figures, verdicts });
}

/** Somebody who publishes one message after the other while others are busy. */
class Bystander {
  private readonly waits: number[] = [];
  private stopped = false;
  private readonly done: Promise<void>;

  constructor(url: string) {
    this.done = this.publish(connect(url, { clientId: "bystander" }));
  }

  /** @returns milliseconds that a publish took. */
  async stop(): Promise<{ readonly p50: number; readonly most: number }> {
    this.stopped = true;
    await this.done;
    return { p50: median(this.waits), most: Math.max(...this.waits) };
  }

  private async publish(client: HubClient): Promise<void> {
    while (!this.stopped) {
      const from = performance.now();
      await client.publish({ queue: "bystander", event: "pickup", payload: order(0) });
      this.waits.push(performance.now() - from);
      await new Promise((resolve) => setTimeout(resolve, BYSTANDER_EVERY_MS));
    }
    await client.close();
  }
}

/** What the same hub does with fresh messages: published, delivered and acked. */
async function carryLive(url: string): Promise<number> {
  const load = await Child.start("load.js", {});
  const run = { system: "waybill", url, window: 500 };
  await load.ask<RunResult>({ ...run, seconds: 2 });
  const result = await load.ask<RunResult>({ ...run, seconds: Number(values.seconds) });
  await load.stop();
  return result.messages / result.seconds;
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(2);
}

void inScratchFolder(main);
