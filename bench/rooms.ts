/**
 * Fan-out: publishes to a room whose members are all away, so that each message is stored for each of them. While that
 * runs, another client's messages are timed, and how long the hub's event loop keeps others waiting.
 *
 *     npm run bench:rooms -- [--members 1000,10000] [--in-flight 50] [--seconds 5] [--rounds 3] [--json FILE]
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { connect, type HubClient } from "../clients/hub-client";
import { number, spread, table, written } from "./figures";
import { order } from "./order";
import { Child } from "./processes/child";
import type { EventLoopDelay } from "./processes/event-loop-watch";
import { Meter } from "./processes/meter";
import type { RunResult } from "./processes/load";
import { printVerdicts, writeJson, type Verdict } from "./report";
import { inScratchFolder } from "./scratch";

const { values } = parseArgs({
  options: {
    members: { type: "string", default: "1000,10000" },
    "in-flight": { type: "string", default: "50" },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    json: { type: "string" },
  },
});
const window = Number(values["in-flight"]);
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const LEAST_PER_SECOND = 150_000;
const MOST_LOOP_DELAY_MS = 20;
/** Messages a second of the client that has nothing to do with the room. */
const PROBE_RATE = 100;
const JOINS_AT_ONCE = 500;

interface Sample extends EventLoopDelay {
  readonly members: number;
  readonly perSecond: number;
  readonly probeP99: number;
}

async function main(folder: string): Promise<void> {
  const samples: Sample[] = [];
  for (const members of values.members.split(",").map(Number)) {
    // One client puts all members in, and their inboxes count as made by it.
    const settings = { maxQueuesPerClient: members + 100 };
    const hub = await Child.start("hub.js", { file: path.join(folder, `room-${members}.db`), settings });
    const probe = await Child.start("load.js", {});
    const client = connect(hub.ready.url as string, { clientId: "bench" });
    try {
      await fillRoom(client, members);
      let published = 0;
      for (let round = 0; round <= rounds; round++) {
        const { sample, messages } = await measure(hub, probe, client, members);
        published += messages;
        if (round > 0) samples.push(sample);
      }
      await checkInbox(hub.ready.url as string, published);
    } finally {
      await client.close();
      await Promise.all([probe.stop(), hub.stop()]);
    }
  }
  conclude(samples);
}

/** Makes members of clients that are not there. */
async function fillRoom(client: HubClient, members: number): Promise<void> {
  for (let from = 0; from < members; from += JOINS_AT_ONCE) {
    const batch = Array.from({ length: Math.min(JOINS_AT_ONCE, members - from) }, (_, index) =>
      client.join("bench", { client: memberName(from + index) }),
    );
    await Promise.all(batch);
  }
}

async function measure(
  hub: Child,
  probe: Child,
  client: HubClient,
  members: number,
): Promise<{ sample: Sample; messages: number }> {
  await hub.ask({ watchLoop: "start" });
  const paced = { system: "waybill", url: hub.ready.url, window: 100, rate: PROBE_RATE, seconds };
  const probed = probe.ask<RunResult>(paced);
  const meter = new Meter(seconds);
  await meter.runWindow(window, async (sent) => {
    await client.publish({ room: "bench", event: "pickup", payload: order(sent) });
    meter.end(sent);
  });
  const { loopP99, loopMax } = await hub.ask<EventLoopDelay>({ watchLoop: "stop" });
  const { messages, seconds: took } = meter.result();
  const { p99: probeP99 } = await probed;
  const sample = { members, perSecond: (messages * members) / took, loopP99, loopMax, probeP99 };
  console.log(
    `${number(members)} members: ${number(sample.perSecond)} deliveries/s stored, ` +
      `event loop p99 ${number(loopP99, 1)} ms, at most ${number(loopMax, 1)} ms; others' messages p99 ${number(probeP99, 1)} ms`,
  );
  return { sample, messages };
}

/** One member comes and takes its inbox: all that was published must be in it. */
async function checkInbox(url: string, published: number): Promise<void> {
  const member = connect(url, { clientId: memberName(0) });
  let received = 0;
  await new Promise<void>((resolve, reject) => {
    const take = (): void => {
      received++;
      if (received === published) resolve();
    };
    member.consume(undefined, take, { prefetch: 1_000 }).catch(reject);
  });
  await member.close();
  console.log(`  ${memberName(0)} came and took all ${number(received)}`);
}

function memberName(index: number): string {
  return `member-${index}`;
}

function conclude(samples: readonly Sample[]): void {
  const verdicts: Verdict[] = [];
  const rows: string[][] = [];
  for (const members of new Set(samples.map((sample) => sample.members))) {
    const own = samples.filter((sample) => sample.members === members);
    const rate = spread(own.map(({ perSecond }) => perSecond));
    const loop = spread(own.map(({ loopP99 }) => loopP99));
    const probe = spread(own.map(({ probeP99 }) => probeP99));
    rows.push([number(members), written(rate), written(loop, 1), written(probe, 1)]);
    verdicts.push(
      {
        bar: `room of ${number(members)}: at least ${number(LEAST_PER_SECOND)} stored deliveries/s`,
        met: rate.median >= LEAST_PER_SECOND,
        measured: `${number(rate.median)}/s`,
      },
      {
        bar: `room of ${number(members)}: event loop delay p99 below ${MOST_LOOP_DELAY_MS} ms`,
        met: loop.median < MOST_LOOP_DELAY_MS,
        measured: `${number(loop.median, 1)} ms`,
      },
    );
  }
  console.log(table(["members", "stored deliveries/s", "event loop p99 ms", "others' messages p99 ms"], rows));
  printVerdicts(verdicts);
  writeJson(values.json, "rooms", { window, seconds, rounds, samples, verdicts });
}

void inScratchFolder(main);
