import { Manager, type Socket } from "socket.io-client";
import { Decoder } from "socket.io-parser";
import { WaybillError } from "../../src/protocol/errors";
import { JsonText, SplicingEncoder } from "../../src/protocol/json-text";
import type { ClientToHubEvents, Drain, Refused, Welcome } from "../../src/protocol/wire";
import { backoffDelay, RETRY_BACKOFF } from "./backoff";
import { Deferred } from "./deferred";
import { Farewell } from "./farewell";
import { Handshakes } from "./handshakes";
import { MAX_TIMER_MS, type ClientSettings } from "./options";
import { exceedsPacket } from "./packet-room";
import { Unanswered } from "./unanswered";
import {
  asWelcome,
  connectRefusal,
  isFields,
  isRetryable,
  isWireError,
  mayConnectLater,
  misunderstood,
  welcomeFault,
} from "./wire-guards";

/**
 * ```
 * opening ──welcome──▶ connected ──lost──▶ waiting ──▶ opening …      any ──close, or refused for good──▶ closed
 *    └───────────────failed──────────────────▲
 * ```
 */
type Phase = "opening" | "connected" | "waiting" | "closed";

export type ClientState = "connecting" | "connected" | "disconnected" | "closed";

const STATES: Record<Phase, ClientState> = {
  opening: "connecting",
  connected: "connected",
  waiting: "disconnected",
  closed: "closed",
};

type RequestName = keyof ClientToHubEvents;
type RequestBody<Name extends RequestName> = Parameters<ClientToHubEvents[Name]>[0];
type ReplyTo<Name extends RequestName> = Parameters<Parameters<ClientToHubEvents[Name]>[1]>[0];

const BATCH_REQUESTS: ReadonlySet<RequestName> = new Set(["publish", "ack", "nack", "extend"]);

/** The connection went before the hub answered: whether it did what was asked is unknown. Never leaves the client. */
export class ConnectionLost extends Error {}

/** What a connection tells. Called in order; must not throw. */
export interface ConnectionSink {
  welcomed(welcome: Welcome): void;
  lost(reason: string): void;
  retrying(error: Error, attempt: number): void;
  /** For good: the connection is closed, and this is why. */
  failed(error: WaybillError): void;
  deliver(packet: unknown): void;
  revoked(packet: unknown): void;
  drain(drain: Drain): void;
  refused(refused: Refused): void;
}

/**
 * One client's line to the hub, made again for as long as the client is open. It does the reconnecting itself:
 * Socket.IO gives up after a disconnect by the server and after a refusal by its middleware, and here both pass.
 */
export class Connection {
  welcome: Welcome | undefined;
  private readonly socket: Socket;
  private readonly first = new Deferred<Welcome>();
  private phase: Phase = "waiting";
  private arrival = new Deferred<Welcome>();
  private readonly unanswered = new Unanswered();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly farewell: Farewell;
  private readonly handshakes: Handshakes;
  private failures = 0;
  /** What a draining hub asked for, in milliseconds; counts for the next attempt only. */
  private reconnectAfterMs = 0;

  constructor(
    private readonly url: string,
    private readonly settings: ClientSettings,
    private readonly sink: ConnectionSink,
  ) {
    const manager = new Manager(url, {
      autoConnect: false,
      reconnection: false,
      parser: { Encoder: SplicingEncoder, Decoder },
      transports: settings.transports,
    }).timeout(false);
    this.farewell = new Farewell(manager);
    this.handshakes = new Handshakes(settings, (reason) => this.drop(reason));
    this.socket = manager.socket(settings.namespace, { auth: (send) => this.handshakes.send(send, this.welcome) });
    this.listen();
  }

  get state(): ClientState {
    return STATES[this.phase];
  }

  get connected(): boolean {
    return this.phase === "connected";
  }

  /** The first welcome. Rejects when there will never be one. */
  ready(): Promise<Welcome> {
    return this.first.promise;
  }

  /** The welcome of this connection, or else of the next. Rejects when there will be none. */
  whenConnected(): Promise<Welcome> {
    return this.arrival.promise;
  }

  /** To be called once, after whoever holds the sink is ready for its calls. */
  open(): void {
    if (this.phase !== "waiting") return;
    this.phase = "opening";
    const { requestTimeoutMs } = this.settings;
    this.setTimer(
      () => this.drop(`no ${this.handshakes.isAwaitingToken ? "token" : "welcome"} within ${requestTimeoutMs} ms`),
      requestTimeoutMs,
    );
    this.socket.connect();
  }

  /**
   * Sends one request over this connection.
   *
   * @returns the hub's reply, also where it is a refusal.
   * @throws ConnectionLost when it was not answered on this connection; WaybillError `INVALID` when it cannot be sent.
   */
  request<Name extends RequestName>(name: Name, body: RequestBody<Name> | JsonText): Promise<ReplyTo<Name>> {
    if (this.phase !== "connected") return Promise.reject(new ConnectionLost("not connected"));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.drop(`no answer to ${name} within ${this.settings.requestTimeoutMs} ms`),
        this.settings.requestTimeoutMs,
      );
      const fail = (error: Error): void => {
        clearTimeout(timer);
        this.unanswered.remove(place, fail);
        reject(error);
      };
      const place = this.unanswered.add(fail);
      try {
        this.socket.emit(name, body, (reply: unknown) => {
          clearTimeout(timer);
          if (this.unanswered.remove(place, fail)) resolve(this.readReply(name, reply));
        });
      } catch (error) {
        fail(unwritable(name, error));
      }
    });
  }

  /**
   * Sends a request until the hub has answered for good: again on the next connection when this one goes, and again
   * after a while when the refusal is retryable.
   *
   * @throws WaybillError for a refusal that is not, `TOO_LARGE` for what no packet of this hub holds, or when the client
   * closes first.
   */
  async ask<Name extends RequestName>(
    name: Name,
    body: RequestBody<Name>,
  ): Promise<Extract<ReplyTo<Name>, { ok: true }>> {
    const text = asText(name, body);
    for (let refusals = 0; ;) {
      const { limits } = await this.whenConnected();
      // It would not be refused, but end the connection, and the next one again.
      if (exceedsPacket(text.json, limits.maxPacketBytes)) {
        throw new WaybillError(
          "TOO_LARGE",
          `This ${name} is over maxPacketBytes of the hub, ${limits.maxPacketBytes}.`,
        );
      }
      try {
        const reply = await this.request(name, text);
        if (reply.ok) return reply as Extract<ReplyTo<Name>, { ok: true }>;
        if (!isRetryable(reply.error)) throw WaybillError.fromWire(reply.error);
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        continue;
      }
      const delayMs = backoffDelay(++refusals, RETRY_BACKOFF);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }

  /** Ends it for good; what waits for an answer rejects. */
  close(error: WaybillError): void {
    if (this.phase === "closed") return;
    this.phase = "closed";
    this.clearTimer();
    this.handshakes.end();
    this.farewell.begin();
    this.socket.disconnect();
    this.first.reject(error);
    this.arrival.reject(error);
    this.arrival = new Deferred();
    this.arrival.reject(error);
    this.rejectUnanswered("the client is closed");
  }

  private listen(): void {
    const { socket, sink } = this;
    socket.on("welcome", (packet: unknown) => this.onWelcome(packet));
    socket.on("deliver", (packet: unknown) => sink.deliver(packet));
    socket.on("revoked", (packet: unknown) => sink.revoked(packet));
    socket.on("drain", (packet: unknown) => this.onDrain(packet));
    socket.on("refused", (packet: unknown) => this.onRefused(packet));
    socket.on("disconnect", (reason) => this.onLost(reason));
    socket.on("connect_error", (error) => this.onConnectError(error));
  }

  private onWelcome(packet: unknown): void {
    if (this.phase !== "opening") return;
    const fault = welcomeFault(packet);
    if (fault !== undefined) {
      this.sink.refused(misunderstood("welcome", fault));
      this.drop(fault);
      return;
    }
    this.clearTimer();
    this.welcome = asWelcome(packet);
    this.phase = "connected";
    this.failures = 0;
    this.sink.welcomed(this.welcome);
    this.first.resolve(this.welcome);
    this.arrival.resolve(this.welcome);
  }

  private onDrain(packet: unknown): void {
    const afterMs = isFields(packet) ? Number(packet.reconnectAfterMs) : Number.NaN;
    const reason = isFields(packet) ? String(packet.reason) : "";
    this.reconnectAfterMs = afterMs > 0 ? Math.min(afterMs, this.settings.reconnectDelayMaxMs) : 0;
    this.sink.drain({ reason, reconnectAfterMs: this.reconnectAfterMs });
  }

  private onRefused(packet: unknown): void {
    if (isFields(packet) && isWireError(packet.error)) {
      this.sink.refused({ event: String(packet.event), error: packet.error });
    } else {
      this.sink.refused(misunderstood("refused", "The hub refused something, and did not say what."));
    }
  }

  private onConnectError(error: Error & { data?: unknown }): void {
    if (this.phase !== "opening") return;
    const refusal = connectRefusal(error, this.url, this.settings.namespace);
    if (refusal === undefined || mayConnectLater(refusal)) {
      this.phase = "waiting";
      this.handshakes.end();
      this.farewell.begin();
      this.retryLater(refusal === undefined ? error : WaybillError.fromWire(refusal));
      return;
    }
    const fatal = WaybillError.fromWire(refusal);
    this.close(fatal);
    this.sink.failed(fatal);
  }

  /** Gives up this connection, though the transport still holds it. */
  private drop(reason: string): void {
    this.onLost(reason);
    this.socket.disconnect();
  }

  private onLost(reason: string): void {
    if (this.phase !== "opening" && this.phase !== "connected") return;
    const wasConnected = this.phase === "connected";
    this.phase = "waiting";
    this.handshakes.end();
    this.farewell.begin();
    if (wasConnected) {
      this.arrival = new Deferred();
      // What Socket.IO held back would go out on the next connection before its welcome.
      this.socket.sendBuffer.length = 0;
      this.rejectUnanswered(reason);
      this.sink.lost(reason);
    }
    this.retryLater(new Error(reason));
  }

  private retryLater(cause: Error): void {
    this.clearTimer();
    // Guard against a listener that closed the client when it heard of the loss.
    if (this.phase !== "waiting") return;
    const { reconnectDelayMs: firstMs, reconnectDelayMaxMs: maxMs } = this.settings;
    const delayMs = this.reconnectAfterMs + backoffDelay(++this.failures, { firstMs, maxMs });
    this.reconnectAfterMs = 0;
    this.setTimer(() => this.open(), Math.min(delayMs, MAX_TIMER_MS));
    this.sink.retrying(cause, this.failures);
  }

  private rejectUnanswered(reason: string): void {
    this.unanswered.failAll(() => new ConnectionLost(reason));
  }

  private readReply<Name extends RequestName>(name: Name, reply: unknown): ReplyTo<Name> {
    if (isFields(reply)) {
      if (reply.ok === false && isWireError(reply.error)) return reply as ReplyTo<Name>;
      if (reply.ok === true && (!BATCH_REQUESTS.has(name) || tellsOfEach(reply))) {
        return reply as ReplyTo<Name>;
      }
    }
    const message = `The hub's answer to ${name} is not what the protocol says.`;
    this.sink.refused(misunderstood(name, message));
    return { ok: false, error: new WaybillError("INTERNAL", message).toWire() };
  }

  private setTimer(task: () => void, delayMs: number): void {
    this.clearTimer();
    this.timer = setTimeout(task, delayMs);
  }

  private clearTimer(): void {
    clearTimeout(this.timer);
  }
}

/** @throws WaybillError `INVALID` for what JSON cannot carry. */
function asText(name: RequestName, body: unknown): JsonText {
  try {
    return new JsonText(JSON.stringify(body));
  } catch (error) {
    throw unwritable(name, error);
  }
}

/** What holds itself, a bigint, a toJSON that throws. */
function unwritable(name: RequestName, cause: unknown): WaybillError {
  return new WaybillError("INVALID", `${name} cannot be sent as JSON.`, { cause });
}

/** Whether a reply to a list says what became of its items: one by one, or in brief. */
function tellsOfEach({ results, seqs, all }: Record<string, unknown>): boolean {
  return Array.isArray(results) || Array.isArray(seqs) || typeof all === "string";
}
