import { WaybillError } from "../../src/protocol/errors";
import { inboxOf } from "../../src/protocol/names";
import type { Refused, Revoked, Welcome } from "../../src/protocol/wire";
import type { Connection } from "./connection";
import { QueueConsumer, type ConsumeOptions, type Consumer, type MessageHandler } from "./consumer";
import { FinishedMessages } from "./finished-messages";
import { LeaseKeeper } from "./lease-keeper";
import { exceedsPacket } from "./packet-room";
import { Settler } from "./settler";
import { isBatch, misunderstood } from "./wire-guards";

/** All queues that one client consumes, by name. */
export class Consumers {
  private readonly byQueue = new Map<string, QueueConsumer>();
  /** Outlives a queue's consumer: the hub may redeliver to the next one what the last one has finished. */
  private readonly finished = new Map<string, FinishedMessages>();
  private readonly keeper: LeaseKeeper;
  private readonly settler: Settler;
  private closing = false;

  constructor(
    private readonly connection: Connection,
    private readonly refused: (refused: Refused) => void,
  ) {
    this.keeper = new LeaseKeeper(connection, () => this.byQueue.values());
    this.settler = new Settler(connection);
  }

  /** Adds a consumer, and resolves when the hub has taken it on. @throws WaybillError, as `HubClient.consume` says. */
  async consume(queue: string | undefined, handler: MessageHandler, options: ConsumeOptions): Promise<Consumer> {
    const { prefetch } = options;
    if (queue !== undefined && (typeof queue !== "string" || queue === "")) {
      throw new WaybillError("INVALID", "queue must be a non-empty string, or undefined for the own inbox.");
    }
    // Without one each delivery would fail, and its message be a dead letter soon.
    if (typeof handler !== "function") {
      throw new WaybillError("INVALID", "handler must be a function: consume(queue, handler, options).");
    }
    if (prefetch !== undefined && !(Number.isInteger(prefetch) && prefetch >= 1)) {
      throw new WaybillError("INVALID", "prefetch must be a whole number of at least 1.");
    }
    const { welcome, name } = await this.whenFree(queue);
    // As any name of the kind it would be refused, if it could travel.
    if (exceedsPacket(name, welcome.limits.maxPacketBytes)) {
      throw new WaybillError("TOO_LARGE", "The queue's name is over maxPacketBytes of the hub.");
    }
    const consumer = new QueueConsumer(name, handler, options, {
      connection: this.connection,
      keeper: this.keeper,
      settler: this.settler,
      finished: this.finishedOf(name),
      refused: this.refused,
      ended: (ended) => {
        if (this.byQueue.get(name) === ended) this.byQueue.delete(name);
      },
    });
    this.byQueue.set(name, consumer);
    // Where the connection went meanwhile, the next welcome does it.
    if (this.connection.connected && this.connection.welcome) consumer.resume(this.connection.welcome);
    await consumer.whenConsumed();
    return consumer;
  }

  /** Resolves when the client is connected, and nothing of it consumes the queue. @throws WaybillError when something does. */
  private async whenFree(queue: string | undefined): Promise<{ readonly welcome: Welcome; readonly name: string }> {
    for (;;) {
      const welcome = await this.connection.whenConnected();
      if (this.closing) throw new WaybillError("INVALID", "This client is closed.");
      // The name of the own inbox is the hub's to say.
      const name = queue ?? inboxOf(welcome.clientId);
      const former = this.byQueue.get(name);
      if (former === undefined) return { welcome, name };
      // One whose handlers are still at work may wait for this very call.
      if (!former.isEnding) throw new WaybillError("INVALID", `This client consumes the queue "${name}" already.`);
      await former.cancel();
    }
  }

  /** A new connection. */
  resume(welcome: Welcome): void {
    if (welcome.resumed) this.settler.resume(this.byQueue.values());
    else this.settler.reset();
    for (const consumer of this.byQueue.values()) consumer.resume(welcome);
    this.keeper.look();
  }

  /** @param packet the deliveries of one queue, or a list of those of several. */
  deliver(packet: unknown): void {
    if (Array.isArray(packet)) for (const each of packet) this.deliverOne(each);
    else this.deliverOne(packet);
  }

  private deliverOne(packet: unknown): void {
    const consumer = isBatch(packet) ? this.byQueue.get(packet.queue) : undefined;
    if (consumer && isBatch(packet)) consumer.receive(packet.messages);
    else this.refused(misunderstood("deliver", "The hub delivered something that nobody here consumes."));
  }

  revoked({ queue, deliveries, reason }: Revoked): void {
    this.byQueue.get(queue)?.revoked(deliveries, reason);
  }

  /** Takes no more deliveries and no more consumers. Resolves when everything in hand is through. */
  async cancelAll(): Promise<void> {
    this.closing = true;
    await Promise.all(Array.from(this.byQueue.values(), (consumer) => consumer.leave()));
  }

  /** Whether one of them is busy: what its handler publishes is still to be taken. */
  get busy(): boolean {
    for (const { isBusy } of this.byQueue.values()) if (isBusy) return true;
    return false;
  }

  abandon(error: WaybillError): void {
    this.keeper.stop();
    this.settler.reset();
    for (const consumer of [...this.byQueue.values()]) consumer.abandon(error);
    this.byQueue.clear();
  }

  private finishedOf(queue: string): FinishedMessages {
    let finished = this.finished.get(queue);
    if (finished === undefined) this.finished.set(queue, (finished = new FinishedMessages()));
    return finished;
  }
}
