/**
 * Waybill's client library, for Node and browsers: a publish that resolves when it is stored, a handler for each queue
 * whose return is the ack, and a connection that comes back by itself without losing either.
 */
import { WaybillError } from "../src/protocol/errors";
import type {
  Drain,
  JoinRequest,
  PublishMessage,
  Refused,
  Revoked,
  RoomReply,
  TracedMessage,
  Welcome,
} from "../src/protocol/wire";
import { Connection, type ClientState } from "./hub-client/connection";
import type { ConsumeOptions, Consumer, MessageHandler } from "./hub-client/consumer";
import { Consumers } from "./hub-client/consumers";
import { DeadLetters } from "./hub-client/dead-letters";
import { Listeners } from "./hub-client/listeners";
import { MAX_TIMER_MS, readOptions, readUrl, type HubClientOptions } from "./hub-client/options";
import { Outbox, type PublishConfirmation, type PublishOptions } from "./hub-client/outbox";
import { isRevoked, misunderstood } from "./hub-client/wire-guards";

export { WaybillError } from "../src/protocol/errors";
export type {
  DeadLetterMessage,
  DeadReason,
  Drain,
  PublishMessage,
  Refused,
  Revoked,
  TracedMessage,
  Welcome,
} from "../src/protocol/wire";
export type { ClientState } from "./hub-client/connection";
export type { ConsumeOptions, Consumer, MessageHandler, ReceivedMessage } from "./hub-client/consumer";
export type { DeadLetterPage, DeadLetters, DeadSelection } from "./hub-client/dead-letters";
export type { DeliveryControl } from "./hub-client/delivery";
export { Nack, type NackOptions } from "./hub-client/nack";
export type { HubClientOptions } from "./hub-client/options";
export type { PublishConfirmation, PublishOptions } from "./hub-client/outbox";

const DEFAULT_CLOSE_TIMEOUT_MS = 10_000;

export interface HubClientEvents {
  /** Welcomed, the first time or again. */
  connected: (welcome: Welcome) => void;
  /** The connection is gone, with the transport's reason; the client tries to come back. */
  disconnected: (reason: string) => void;
  /** The hub is going down in order. Settling goes on; the client comes back when the hub does. */
  drain: (drain: Drain) => void;
  /** An attempt to connect will follow the one that failed with `error`; the first one is `attempt` 1. */
  retrying: (retry: { error: Error; attempt: number }) => void;
  /** The hub refused this client for good; it is closed, and everything that it had open rejects with this error. */
  failed: (error: WaybillError) => void;
  /** The hub took leases back. Their handlers hear it from their signals. */
  revoked: (revoked: Revoked) => void;
  /** The hub refused something that has no caller to reject to, or sent something that cannot be understood. */
  refused: (refused: Refused) => void;
}

/** Room membership as it is after a join or leave. */
export type RoomMembership = Extract<RoomReply, { ok: true }>;

/**
 * A client of the hub at this URL, connecting as of now. The URL's path does not count: name the namespace in the options.
 *
 * @throws WaybillError `INVALID` for what is no URL, and for options that there are not or that make no sense.
 */
export function connect(url: string, options: HubClientOptions = {}): HubClient {
  return new HubClient(url, options);
}

/** One identity's line to the hub. Made by `connect`. */
export class HubClient {
  /** What left its queue unprocessed, for an operator's identity. */
  readonly dead: DeadLetters;
  private readonly connection: Connection;
  private readonly outbox: Outbox;
  private readonly consumers: Consumers;
  private readonly listeners = new Listeners<HubClientEvents>();
  private closing: Promise<void> | undefined;

  constructor(url: string, options: HubClientOptions) {
    const settings = readOptions(options);
    const { listeners } = this;
    this.connection = new Connection(readUrl(url), settings, {
      welcomed: (welcome) => this.welcomed(welcome),
      lost: (reason) => listeners.emit("disconnected", reason),
      retrying: (error, attempt) => listeners.emit("retrying", { error, attempt }),
      failed: (error) => this.failed(error),
      deliver: (packet) => this.consumers.deliver(packet),
      revoked: (packet) => this.revoked(packet),
      drain: (drain) => listeners.emit("drain", drain),
      refused: (refused) => listeners.emit("refused", refused),
    });
    this.dead = new DeadLetters(this.connection);
    this.outbox = new Outbox(this.connection, settings);
    this.consumers = new Consumers(this.connection, (refused) => listeners.emit("refused", refused));
    this.connection.open();
  }

  /** Who the hub says that this client is; undefined before the first welcome. */
  get clientId(): string | undefined {
    return this.connection.welcome?.clientId;
  }

  get state(): ClientState {
    return this.connection.state;
  }

  /** The last welcome; undefined before the first. */
  get welcome(): Welcome | undefined {
    return this.connection.welcome;
  }

  /**
   * Resolves with the first welcome, however long that takes.
   *
   * @throws WaybillError when the hub refuses this client for good (`UNAUTHENTICATED`, `FORBIDDEN`, `INVALID`), or it is
   * closed before.
   */
  ready(): Promise<Welcome> {
    return this.connection.ready();
  }

  /**
   * Publishes a message; resolves when the hub has stored it as `durability` says.
   *
   * What is published before the first welcome, or while the connection is away, waits in memory. Everything that waits
   * travels together; after a cut it is sent again under the same ids, in order, and stored once. Messages confirmed
   * in the order of publishing are the rule; one that the hub refuses for now (`QUEUE_FULL`, `RATE_LIMITED`,
   * `STORE_UNAVAILABLE`, `DISK_FULL`, `DRAINING`) is sent again after a while, and a few already on their way may overtake
   * it. Await one before publishing the next where that matters.
   *
   * The payload is written out at once: what becomes of it afterwards changes nothing.
   *
   * @throws WaybillError `INVALID` for a message that cannot be sent; `QUEUE_FULL` when too much waits already; whatever
   * else the hub refuses it with for good; `DRAINING` when the client is closed before the answer, so that nobody knows.
   */
  publish(message: PublishMessage, options?: PublishOptions): Promise<PublishConfirmation> {
    return this.outbox.publish(message, options);
  }

  /**
   * Handles a queue's messages from now on, over all reconnects. A handler that returns acks; one that throws gives the
   * message back, with the error's text as the reason; `Nack` says more precisely what is to become of it.
   *
   * Leases are extended while handlers work. What this process has finished is not handled again when the hub delivers it
   * again for want of the ack, of which the queue's last 10,000 are remembered. At-least-once remains the promise: a
   * restart forgets.
   *
   * @param queue undefined for the own inbox.
   * @returns when the hub has taken the consumer on. Handlers may start before: the first messages come with the hub's answer.
   * @throws WaybillError `INVALID` when this client consumes the queue already, or without a handler; `FORBIDDEN`; `LIMIT_REACHED`.
   */
  async consume(queue: string | undefined, handler: MessageHandler, options: ConsumeOptions = {}): Promise<Consumer> {
    if (this.closing) throw closedError();
    return this.consumers.consume(queue, handler, options);
  }

  /**
   * Becomes a member of a room for good: its messages come to the own inbox, also those published while away. Sent again
   * until the hub has answered; a confirmed one needs no repeating, membership outlives connections.
   *
   * @param options.since replays the room's history into the inbox: after this `seq`, from this ISO time on, or `"all"`.
   * @param options.client puts that client in, for an identity that may.
   * @throws WaybillError when the hub refuses it for good.
   */
  join(room: string, options: Omit<JoinRequest, "room"> = {}): Promise<RoomMembership> {
    return this.connection.ask("join", { ...options, room });
  }

  /** Ends a membership. @throws WaybillError when the hub refuses it for good. */
  leave(room: string, options: { client?: string } = {}): Promise<RoomMembership> {
    return this.connection.ask("leave", { ...options, room });
  }

  /**
   * Where the messages of this id are, in every queue of the namespace or in one; for an operator's identity. Says of
   * each why it does not move, and of one that is gone how it ended, as long as the hub remembers.
   *
   * @returns those that go on, the newest first, then dead letters, then those that are gone: 20 of each at the most.
   * Empty when the hub knows nothing of the id.
   * @throws WaybillError when the hub refuses it for good.
   */
  async why(id: string, options: { queue?: string } = {}): Promise<TracedMessage[]> {
    const { messages } = await this.connection.ask("why", { ...options, id });
    return messages;
  }

  on<Name extends keyof HubClientEvents>(event: Name, listener: HubClientEvents[Name]): this {
    this.listeners.on(event, listener);
    return this;
  }

  off<Name extends keyof HubClientEvents>(event: Name, listener: HubClientEvents[Name]): this {
    this.listeners.off(event, listener);
    return this;
  }

  /**
   * Takes no more deliveries, lets the handlers in hand finish (they may still publish), sends their acks, waits for
   * unconfirmed publishes, and disconnects. What is not done by the timeout (10 s; `Infinity`: there is none) is given up:
   * handlers hear it from their signals, and publishes reject. Closing twice is closing once. A handler that awaits it waits for itself.
   */
  close(options: { timeoutMs?: number } = {}): Promise<void> {
    const timeoutMs = Number(options.timeoutMs ?? DEFAULT_CLOSE_TIMEOUT_MS);
    // Whoever closes is not refused: what is no number asks for the usual time.
    this.closing ??= this.closeInOrder(Number.isNaN(timeoutMs) ? DEFAULT_CLOSE_TIMEOUT_MS : timeoutMs);
    return this.closing;
  }

  private async closeInOrder(timeoutMs: number): Promise<void> {
    if (!this.consumers.busy) this.outbox.seal(closedError());
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<void>((resolve) => {
      if (timeoutMs < Infinity) timer = setTimeout(resolve, Math.min(timeoutMs, MAX_TIMER_MS));
    });
    await Promise.race([this.finishWork(), timeout]);
    clearTimeout(timer);
    this.outbox.seal(closedError());
    this.outbox.abandon(
      new WaybillError("DRAINING", "The client was closed before the hub confirmed this: it may be stored or not."),
    );
    this.abandon(closedError());
  }

  private async finishWork(): Promise<void> {
    await this.consumers.cancelAll();
    this.outbox.seal(closedError());
    await this.outbox.whenEmpty();
  }

  private welcomed(welcome: Welcome): void {
    // Verdicts first: what they settle, the hub need not deliver again.
    this.consumers.resume(welcome);
    this.outbox.resume();
    this.listeners.emit("connected", welcome);
  }

  private failed(error: WaybillError): void {
    this.abandon(error);
    this.listeners.emit("failed", error);
  }

  private revoked(packet: unknown): void {
    if (!isRevoked(packet)) {
      this.listeners.emit("refused", misunderstood("revoked", "A revocation is not what the protocol says."));
      return;
    }
    this.consumers.revoked(packet);
    this.listeners.emit("revoked", packet);
  }

  private abandon(error: WaybillError): void {
    this.outbox.abandon(error);
    this.consumers.abandon(error);
    this.connection.close(error);
  }
}

function closedError(): WaybillError {
  return new WaybillError("INVALID", "This client is closed.");
}
