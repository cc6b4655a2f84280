/**
 * Publishes and consumes in step, in one or many queues, whatever waits in them already: a handler returns when another
 * message has been confirmed, so that what comes out is as much as what goes in.
 */
import { connect, type HubClient } from "../../clients/hub-client";
import { order } from "../order";
import { answerBench } from "./child";

export interface BalancedRun {
  readonly window: number;
  readonly seconds: number;
}

export interface BalancedResult {
  readonly messages: number;
  readonly seconds: number;
}

const { url, queues } = JSON.parse(process.argv[2] ?? "{}") as { url: string; queues: number };
/** Consumers that are asked for at the same time. */
const CONSUMERS_AT_ONCE = 200;

/** Hands out as many passes as were given in, each as soon as there is one. */
class Passes {
  private spare = 0;
  private readonly waiting: (() => void)[] = [];
  private taken = 0;

  give(): void {
    const next = this.waiting[this.taken];
    if (next === undefined) {
      this.spare++;
      return;
    }
    if (++this.taken === this.waiting.length) {
      this.waiting.length = 0;
      this.taken = 0;
    }
    next();
  }

  take(): Promise<void> {
    if (this.spare > 0) {
      this.spare--;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}

/** As many as are confirmed, and as many as are handled. */
const confirmed = new Passes();
const handled = new Passes();

async function main(): Promise<void> {
  const client = connect(url, { clientId: "bench" });
  const handle = async (): Promise<void> => {
    await confirmed.take();
    handled.give();
  };
  for (let from = 0; from < queues; from += CONSUMERS_AT_ONCE) {
    const count = Math.min(CONSUMERS_AT_ONCE, queues - from);
    // With many queues their number is what bounds the messages that are out.
    const prefetch = queues === 1 ? 1_000 : 10;
    await Promise.all(
      Array.from({ length: count }, (_, index) => client.consume(`queue-${from + index}`, handle, { prefetch })),
    );
  }
  answerBench(
    {},
    (run: BalancedRun) => carry(client, run),
    async () => {
      // Lets the handlers that wait for a confirmation go.
      for (let each = 0; each < 10 * queues + 1_000; each++) confirmed.give();
      await client.close();
    },
  );
}

async function carry(client: HubClient, { window, seconds }: BalancedRun): Promise<BalancedResult> {
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  let messages = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() < until) {
      const number = messages++;
      await client.publish({ queue: `queue-${number % queues}`, event: "pickup", payload: order(number) });
      confirmed.give();
      await handled.take();
    }
  };
  await Promise.all(Array.from({ length: window }, lane));
  return { messages, seconds: (performance.now() - startedAt) / 1000 };
}

void main();
