/** The client side of one run: keeps a window of messages in flight, and times each. */
import { io } from "socket.io-client";
import { connect } from "../../clients/hub-client";
import { order } from "../order";
import { answerBench, usage } from "./child";

/** `echo` and `relay` are bare Socket.IO: emit → ack, and emit → passed on → received, with an ack to the sender. */
export type Target = "waybill" | "relay" | "echo";

interface Run {
  readonly target: Target;
  readonly url: string;
  readonly inFlight: number;
  readonly seconds: number;
}

export interface RunResult {
  readonly messages: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly cpu: number;
}

answerBench(
  { ready: true },
  (run: Run) => RUNS[run.target](run),
  () => Promise.resolve(),
);

/** Publish → durable → delivered → acked: a message is in flight until its handler has it and its publish is confirmed. */
async function runWaybill({ url, inFlight, seconds }: Run): Promise<RunResult> {
  const client = connect(url, { clientId: "bench" });
  const meter = new Meter(seconds);
  const queue = `bench-${Date.now()}`;
  const received = new Map<number, () => void>();
  await client.consume(
    queue,
    ({ payload }) => {
      const { number } = payload as { number: number };
      meter.end(number);
      received.get(number)?.();
      received.delete(number);
    },
    { prefetch: inFlight * 2 },
  );
  await meter.run(inFlight, async (number) => {
    const delivered = new Promise<void>((resolve) => received.set(number, resolve));
    await client.publish({ queue, event: "pickup", payload: order(number) });
    await delivered;
  });
  const result = meter.result();
  await client.close();
  return result;
}

async function runEcho({ url, inFlight, seconds }: Run): Promise<RunResult> {
  const socket = io(url, { transports: ["websocket"] });
  const meter = new Meter(seconds);
  await meter.run(inFlight, (number) => {
    return new Promise<void>((resolve) => {
      socket.emit("order", order(number), () => {
        meter.end(number);
        resolve();
      });
    });
  });
  const result = meter.result();
  socket.disconnect();
  return result;
}

/** As with Waybill, a message is in flight until it is received and its sender has its ack. */
async function runRelay({ url, inFlight, seconds }: Run): Promise<RunResult> {
  const socket = io(url, { transports: ["websocket"], forceNew: true });
  const listener = io(url, { transports: ["websocket"], forceNew: true });
  const meter = new Meter(seconds);
  const received = new Map<number, () => void>();
  listener.on("order", ({ number }: { number: number }) => {
    meter.end(number);
    received.get(number)?.();
    received.delete(number);
  });
  await listener.emitWithAck("listen");
  await meter.run(inFlight, async (number) => {
    const delivered = new Promise<void>((resolve) => received.set(number, resolve));
    await new Promise<void>((resolve) => socket.emit("relay", order(number), () => resolve()));
    await delivered;
  });
  const result = meter.result();
  socket.disconnect();
  listener.disconnect();
  return result;
}

const RUNS: Readonly<Record<Target, (run: Run) => Promise<RunResult>>> = {
  waybill: runWaybill,
  relay: runRelay,
  echo: runEcho,
};

class Meter {
  private readonly begun: number[] = [];
  private readonly times: number[] = [];
  private readonly cpuBefore = usage().cpu;
  private startedAt = 0;
  private endedAt = 0;

  constructor(private readonly seconds: number) {}

  /** Runs `send` over and over in `inFlight` lanes until the time is over. */
  async run(inFlight: number, send: (number: number) => Promise<void>): Promise<void> {
    this.startedAt = performance.now();
    const until = this.startedAt + this.seconds * 1000;
    const lane = async (): Promise<void> => {
      for (let now = this.startedAt; now < until; now = performance.now()) {
        const number = this.begun.push(now) - 1;
        await send(number);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, lane));
    this.endedAt = performance.now();
  }

  end(number: number): void {
    this.times.push(performance.now() - (this.begun[number] ?? NaN));
  }

  result(): RunResult {
    const sorted = Float64Array.from(this.times).sort();
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
    return {
      messages: sorted.length,
      seconds: (this.endedAt - this.startedAt) / 1000,
      p50: at(0.5),
      p99: at(0.99),
      cpu: usage().cpu - this.cpuBefore,
    };
  }
}
