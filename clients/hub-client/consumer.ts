import { WaybillError } from "../../src/protocol/errors";
import { IdTable } from "../../src/protocol/id-table";
import type { DeliveredMessage, DeliveryRef, Refused, Welcome } from "../../src/protocol/wire";
import type { Connection } from "./connection";
import { Deferred } from "./deferred";
import { Delivery, type DeliveryControl, type DeliveryOwner } from "./delivery";
import { Fifo } from "./fifo";
import type { FinishedMessages } from "./finished-messages";
import type { LeaseKeeper } from "./lease-keeper";
import { nackFor, type NackOptions } from "./nack";
import type { Settler } from "./settler";
import { Subscription } from "./subscription";
import { isDelivered, misunderstood } from "./wire-guards";

const DEFAULT_PREFETCH = 100;

export type ReceivedMessage = DeliveredMessage;
export type MessageHandler = (message: ReceivedMessage, delivery: DeliveryControl) => unknown;

export interface ConsumeOptions {
  /** Handlers that may run at once, and deliveries that may be out unsettled; 100 where it is left out. */
  prefetch?: number;
  /**
   * True: while this consumer is there, the hub deals the queue's messages to one consumer at a time, the one that has
   * been there longest; the others stand by, and the next one takes over as soon as it goes.
   */
  exclusive?: boolean;
}

/** A standing wish for one queue's messages. */
export interface Consumer {
  /** The queue's name at the hub; of an inbox, `@<clientId>`. */
  readonly queue: string;
  /**
   * Takes no more deliveries. Resolves when the handlers in hand are through, and the hub knows what became of theirs and
   * that no more are wanted: where it is away, once it is back.
   */
  cancel(): Promise<void>;
}

export interface ConsumerParts {
  readonly connection: Connection;
  readonly keeper: LeaseKeeper;
  readonly settler: Settler;
  readonly finished: FinishedMessages;
  /** Something about this queue was refused, or not understood. */
  refused(refused: Refused): void;
  /** It takes no more deliveries, and has none. */
  ended(consumer: QueueConsumer): void;
}

/** One queue's deliveries on their way through its handler. */
export class QueueConsumer implements Consumer, DeliveryOwner {
  readonly deliveries = new IdTable<Delivery>();
  private readonly waiting = new Fifo<Delivery>();
  /** Those that handlers are at work on while another message has their id. Mostly there is none. */
  private displaced: Set<Delivery> | undefined;
  private readonly consumed = new Deferred<void>();
  private readonly idle = new Deferred<void>();
  private readonly prefetch: number;
  private readonly subscription: Subscription;
  private running = 0;
  private cancelled = false;
  /** Cancelled because the client closes. */
  private leaving = false;
  private confirmed = false;

  constructor(
    readonly queue: string,
    private readonly handler: MessageHandler,
    options: ConsumeOptions,
    private readonly parts: ConsumerParts,
  ) {
    this.prefetch = options.prefetch ?? DEFAULT_PREFETCH;
    this.subscription = new Subscription(parts.connection, queue, options.exclusive);
  }

  /** Resolves when the hub has first taken this consumer on. @throws WaybillError when it refuses, or the client closes. */
  whenConsumed(): Promise<void> {
    return this.consumed.promise;
  }

  /** Whether a handler is at work, or its verdict not yet known to the hub. */
  get isBusy(): boolean {
    return this.deliveries.size > 0 || (this.displaced?.size ?? 0) > 0;
  }

  /** A new connection: consumes again, or goes on with its end. */
  resume(welcome: Welcome): void {
    if (!welcome.resumed) {
      this.loseAll("The hub gave the leases up while the connection was away.");
      this.subscription.forget();
    }
    void (this.cancelled ? this.takeBackWhatIsHeld(welcome) : this.consume(welcome));
  }

  receive(messages: readonly unknown[]): void {
    // Before the handlers, which may cancel: what the hub deals, it has taken on, and its answer is still to be read.
    this.takenOn();
    const now = performance.now();
    let lookAt = Infinity;
    for (const message of messages) {
      if (isDelivered(message)) {
        this.accept(message, now);
        lookAt = Math.min(lookAt, now + message.leaseMs / 2);
      } else {
        this.refused(misunderstood("deliver", `A message from ${this.queue} is not what the protocol says.`));
      }
    }
    this.startHandlers();
    if (lookAt < Infinity) this.parts.keeper.expect(lookAt);
  }

  extend(delivery: Delivery, leaseMs: number): Promise<void> {
    return this.parts.keeper.extend(delivery, leaseMs);
  }

  revoked(refs: readonly DeliveryRef[], reason: string): void {
    for (const { id, attempt } of refs) {
      const delivery = this.deliveries.get(id);
      if (delivery?.attempt === attempt) this.lost(delivery, reason);
    }
  }

  lost(delivery: Delivery, reason: string): void {
    delivery.lose(reason);
    // A handler at work is remembered, so that a redelivery does not start a second one.
    if (delivery.state === "handling") return;
    if (delivery.verdict === "ack") this.parts.finished.add(delivery);
    this.forget(delivery);
  }

  settled(delivery: Delivery): void {
    this.forget(delivery);
  }

  refused(refused: Refused): void {
    this.parts.refused(refused);
  }

  cancel(): Promise<void> {
    if (!this.cancelled) {
      this.cancelled = true;
      this.consumed.reject(new WaybillError("INVALID", `The consumer of ${this.queue} was cancelled.`));
      const { connected, welcome } = this.parts.connection;
      // On the connection that has resumed the session, where the hub has not taken it on again yet.
      const isResuming = connected && welcome?.resumed === true && !this.subscription.isTakenOn(welcome);
      void (isResuming ? this.takeBackWhatIsHeld(welcome) : this.stopDealing());
    }
    return this.idle.promise;
  }

  /** Cancelled, and through but for the hub's answer. */
  get isEnding(): boolean {
    return this.cancelled && !this.isBusy;
  }

  /** Cancels, as the client closes: does not wait for a hub that is away to hear of it, as the session ends as well. */
  leave(): Promise<void> {
    this.leaving = true;
    const through = this.cancel();
    this.endIfIdle();
    return through;
  }

  /** Ends at once: handlers hear it from their signals, and nothing more is settled. */
  abandon(error: WaybillError): void {
    this.cancelled = true;
    this.consumed.reject(error);
    this.loseAll(error.message);
    this.idle.resolve();
  }

  private async consume(welcome: Welcome): Promise<void> {
    const reply = await this.subscription.consume(welcome, this.prefetch, () => !this.cancelled);
    if (reply === undefined) return;
    if (!reply.ok) return this.consumeRefused(WaybillError.fromWire(reply.error));
    this.takenOn();
  }

  private takenOn(): void {
    this.confirmed = true;
    this.consumed.resolve();
  }

  private consumeRefused(error: WaybillError): void {
    // Later ones have no caller to reject to. The consumer stays: the next connection may be luckier.
    if (this.confirmed) return this.refused({ event: "consume", error: error.toWire() });
    this.cancelled = true;
    this.consumed.reject(error);
    this.endIfIdle();
  }

  /**
   * On a connection that has resumed the session: what the hub had dealt before it heard of the cancel, it sends to a
   * consumer only.
   */
  private async takeBackWhatIsHeld(welcome: Welcome): Promise<void> {
    const { subscription } = this;
    if (subscription.isOpen) {
      const reply = await subscription.consume(welcome, 1, () => true);
      if (reply === undefined) return;
    }
    await this.stopDealing();
  }

  private async stopDealing(): Promise<void> {
    // First the cancel, then what it gives back: the hub must not deal the same messages here again.
    const answered = this.subscription.cancel();
    for (const delivery of this.waiting.takeAll()) this.giveBack(delivery);
    const error = await answered;
    if (error) this.refused({ event: "cancel", error });
    this.endIfIdle();
  }

  private accept(message: DeliveredMessage, now: number): void {
    const known = this.inHand(message);
    if (known && this.continues(known, message, now)) return;
    const delivery = new Delivery(message, this, now);
    this.deliveries.set(message.id, delivery);
    if (message.redelivered === true && this.parts.finished.has(message)) this.parts.settler.settle(delivery, "ack");
    else if (this.cancelled) this.giveBack(delivery);
    else this.waiting.push(delivery);
  }

  /** What this process is at with a message, or was last. Whatever it has in hand of another one of that id is over. */
  private inHand({ id, seq }: DeliveredMessage): Delivery | undefined {
    const named = this.deliveries.get(id);
    if (named?.seq === seq) return named;
    // The hub gives out one of an id at a time.
    if (named) this.displace(named);
    for (const delivery of this.displaced ?? []) {
      if (delivery.id !== id || delivery.seq !== seq) continue;
      this.displaced?.delete(delivery);
      this.deliveries.set(id, delivery);
      return delivery;
    }
    return undefined;
  }

  private displace(delivery: Delivery): void {
    this.lost(delivery, "Another message of its id was delivered.");
    if (delivery.state === "handling") (this.displaced ??= new Set()).add(delivery);
  }

  /** Whether a delivery goes on with what this process already does, or has done, about the same message. */
  private continues(known: Delivery, message: DeliveredMessage, now: number): boolean {
    const { attempt, leaseMs } = message;
    if (known.state !== "settling") {
      known.renew(attempt, leaseMs, now);
      return true;
    }
    if (typeof known.verdict === "object") {
      // Given back, and the hub does not know yet. Under another attempt it does, and has given it out again.
      return known.attempt === attempt;
    }
    known.renew(attempt, leaseMs, now);
    this.parts.settler.settle(known, "ack");
    return true;
  }

  private startHandlers(): void {
    while (this.running < this.prefetch) {
      const delivery = this.waiting.shift();
      if (delivery === undefined) return;
      // Lost while it waited.
      if (!delivery.isKnown) continue;
      this.handle(delivery);
    }
  }

  private handle(delivery: Delivery): void {
    delivery.state = "handling";
    this.running++;
    let outcome: unknown;
    let isLater: boolean;
    try {
      outcome = this.handler(delivery.message, delivery);
      isLater = isPromiseLike(outcome);
    } catch (error) {
      this.finish(delivery, nackFor(error));
      return;
    }
    if (!isLater) {
      this.finish(delivery, undefined);
      return;
    }
    // What is no promise of JavaScript's own may throw here, or call back more than once.
    Promise.resolve(outcome).then(
      () => this.finishLater(delivery, undefined),
      (error: unknown) => this.finishLater(delivery, nackFor(error)),
    );
  }

  private finishLater(delivery: Delivery, nack: NackOptions | undefined): void {
    this.finish(delivery, nack);
    this.startHandlers();
  }

  private finish(delivery: Delivery, nack: NackOptions | undefined): void {
    this.running--;
    if (delivery.lostBy === undefined) {
      this.parts.settler.settle(delivery, nack ?? "ack");
      return;
    }
    if (nack === undefined) this.parts.finished.add(delivery);
    this.displaced?.delete(delivery);
    this.forget(delivery);
  }

  /** Never handled, and not to be: the next consumer may have it at once. */
  private giveBack(delivery: Delivery): void {
    this.parts.settler.settle(delivery, { release: true });
  }

  private loseAll(reason: string): void {
    this.waiting.clear();
    for (const delivery of this.deliveries.values()) this.lost(delivery, reason);
  }

  private forget(delivery: Delivery): void {
    if (delivery.isKnown) this.deliveries.delete(delivery.id);
    this.endIfIdle();
  }

  private endIfIdle(): void {
    if (!this.cancelled || this.isBusy) return;
    // What the hub deals until it has heard of the cancel must find somebody who gives it back.
    if (this.subscription.isOpen && !(this.leaving && !this.parts.connection.connected)) return;
    this.idle.resolve();
    this.parts.ended(this);
  }
}

/** Also of a function that can be awaited, as query builders are. */
function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  const isObject = (typeof value === "object" && value !== null) || typeof value === "function";
  return isObject && "then" in value && typeof value.then === "function";
}
