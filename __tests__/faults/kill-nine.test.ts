import { io, type Socket } from "socket.io-client";
import { connect, type HubClient } from "../../clients/hub-client";
import type { AckReply, Deliver } from "../../src/protocol/wire";
import { compileProgram, removeCompiled } from "../support/compiled";
import { HubProcess, stopHubProcesses, temporaryFolder } from "../support/hub-process";
import { keptPort } from "../support/kept-port";

/** In CI as many as it takes to meet the rare moments; elsewhere as many as one waits for. */
const CRASHES = process.env.CI === "true" ? 100 : 20;
const IN_FLIGHT = 50;
/** Longest time under load before a kill, in milliseconds. */
const LIFE_MS = 400;
const QUEUE = "driver";

afterEach(stopHubProcesses);
afterAll(removeCompiled);

test(`killed ${CRASHES} times under load, the hub loses nothing it confirmed and takes back no ack it confirmed`, async () => {
  const port = await keptPort();
  const cwd = temporaryFolder();
  const compiled = compileProgram();
  const start = (): HubProcess => new HubProcess({ cwd, compiled, flags: ["--port", String(port)] });
  let hub = start();
  const url = await hub.url();
  const consumer = new AckingConsumer(url);
  const publisher = new LoadedPublisher(url);
  try {
    for (let crash = 0; crash < CRASHES; crash++) {
      await Promise.all([publisher.confirmsOneMore(), consumer.hearsOneMore()]);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * LIFE_MS));
      hub.signal("SIGKILL");
      expect(await hub.exited).toMatchObject({ signal: "SIGKILL" });
      hub = start();
      await hub.url();
    }
    await publisher.finish();
    await consumer.hears(publisher.confirmed);

    expect(publisher.confirmed.size).toBeGreaterThan(CRASHES);
    expect(consumer.cameBack).toEqual([]);
    expect(consumer.firstSeqs).toEqual([...consumer.firstSeqs].sort((a, b) => a - b));
    expect(consumer.unflagged).toEqual([]);
  } finally {
    consumer.close();
    await publisher.close();
  }
  hub.signal("SIGTERM");
  expect(await hub.exited).toEqual({ code: 0, signal: null });
}, 600_000);

/** Publishes without a pause, and knows what was confirmed. */
class LoadedPublisher {
  readonly confirmed = new Set<string>();
  private readonly client: HubClient;
  private readonly lanes: Promise<void>;
  private finishing = false;
  private number = 0;
  private confirms = (): void => {};

  constructor(url: string) {
    this.client = connect(url, { clientId: "shop", reconnectDelayMs: 20, reconnectDelayMaxMs: 100 });
    this.lanes = Promise.all(Array.from({ length: IN_FLIGHT }, () => this.lane())).then(() => {});
  }

  confirmsOneMore(): Promise<void> {
    return new Promise((resolve) => (this.confirms = resolve));
  }

  async finish(): Promise<void> {
    this.finishing = true;
    await this.lanes;
  }

  close(): Promise<void> {
    return this.client.close({ timeoutMs: 0 });
  }

  private async lane(): Promise<void> {
    while (!this.finishing) {
      const id = `order-${this.number++}`;
      await this.client.publish({ id, queue: QUEUE, event: "pickup", payload: { id } });
      this.confirmed.add(id);
      this.confirms();
    }
  }
}

/** A stock client that acks what it gets, and notes what must never happen. */
class AckingConsumer {
  /** The seq of each message at its first delivery, in the order in which they came. */
  readonly firstSeqs: number[] = [];
  /** Messages that were delivered again after the ack of them was confirmed. */
  readonly cameBack: string[] = [];
  /** Messages that were delivered again without saying so. */
  readonly unflagged: string[] = [];
  private readonly heard = new Set<string>();
  private readonly acked = new Set<string>();
  private readonly socket: Socket;
  private hearing = (): void => {};

  constructor(url: string) {
    this.socket = io(url, {
      auth: { clientId: "d1" },
      transports: ["websocket"],
      reconnectionDelay: 20,
      reconnectionDelayMax: 100,
    });
    this.socket.on("connect", () => this.socket.emit("consume", { queue: QUEUE, prefetch: 20 }));
    this.socket.on("deliver", (deliver: Deliver) => this.take(deliver));
  }

  hearsOneMore(): Promise<void> {
    return new Promise((resolve) => (this.hearing = resolve));
  }

  async hears(ids: ReadonlySet<string>): Promise<void> {
    for (const id of ids) while (!this.heard.has(id)) await this.hearsOneMore();
  }

  close(): void {
    this.socket.disconnect();
  }

  private take({ queue, messages }: Deliver): void {
    for (const { id, seq, redelivered } of messages) {
      if (this.acked.has(id)) this.cameBack.push(id);
      if (!this.heard.has(id)) this.firstSeqs.push(seq);
      else if (redelivered !== true) this.unflagged.push(id);
      this.heard.add(id);
    }
    const deliveries = messages.map(({ id, attempt }) => ({ id, attempt }));
    // Not volatile: what is left out while a pong is on its way would stay leased, and hold up all behind it, for 30 s.
    this.socket.emit("ack", { queue, deliveries }, (reply: AckReply) => {
      if (!reply.ok) return;
      for (const result of reply.results) if ("status" in result) this.acked.add(result.id);
    });
    this.hearing();
  }
}
