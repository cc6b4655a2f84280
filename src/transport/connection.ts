import type { Socket } from "socket.io";
import { toWireError, WaybillError } from "../protocol/errors";
import { isName } from "../protocol/names";
import type { RequestReader } from "../protocol/requests";
import { PROTOCOL_VERSION, type DeliveryRef, type HubToClientEvents, type Limits } from "../protocol/wire";
import type { Broker } from "../queue/broker";
import type { Clock, Timer } from "../queue/clock";
import type { Dialect, DialectConnection } from "../queue/dialect";
import { identityOf } from "../queue/identity";
import { nameOf, queueAddress, type Delivery, type QueueAddress } from "../queue/message";
import type { Receiver } from "../queue/receiver";
import type { Session } from "../queue/session";
import type { Admission, Standing } from "./admission";
import type { Connections } from "./connections";
import { DeliveryBacklog, fitIn, type Deliveries } from "./delivery-backlog";
import { DeliveryBundle } from "./delivery-bundle";
import { deliverTexts, type DeliverLimits } from "./encoder";
import { HANDLERS } from "./handlers";
import type { Caller } from "./handlers/handler";
import { holdsBinary, type Line } from "./line";
import type { Log } from "./log";

/** What all connections of a hub share. */
export interface ConnectionContext {
  readonly hubId: string;
  readonly broker: Broker;
  readonly read: RequestReader;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: Limits;
  readonly defaultPrefetch: number;
  readonly maxInFlight: number;
  readonly connections: Connections<Connection>;
  /** By namespace. */
  readonly dialects: ReadonlyMap<string, Dialect>;
}

/**
 * Text of one `deliver` past which the next message starts another: the client is at work on the first while the hub
 * writes the second, and no client library refuses it for its size.
 */
const MAX_DELIVER_LENGTH = 64_000;

/** Bytes of deliveries, as `sizeOf` counts, after which is looked whether there is room for more. */
const SENT_AT_ONCE_BYTES = 2 ** 18;

/** One socket of a client: takes its requests to the broker, and the broker's deliveries to it. */
export class Connection implements Receiver, Caller {
  readonly broker: Broker;
  readonly read: RequestReader;
  readonly defaultPrefetch: number;
  readonly brief: boolean;
  readonly session: Session;
  private readonly dialect: DialectConnection | undefined;
  private readonly bundle: DeliveryBundle;
  /** While there is one. */
  private backlog: DeliveryBacklog | undefined;
  private readonly deliverLimits: DeliverLimits;
  private standing: Standing;
  private expiry: Timer | undefined;
  private inFlight = 0;
  private open = true;

  /** Listens to the socket, opens its session and welcomes its client, all in one turn: no event of it is missed. */
  constructor(
    private readonly socket: Socket,
    private readonly line: Line,
    admission: Admission,
    private readonly context: ConnectionContext,
  ) {
    const { broker, read, defaultPrefetch, hubId, limits, connections, dialects } = context;
    this.broker = broker;
    this.read = read;
    this.defaultPrefetch = defaultPrefetch;
    this.brief = admission.brief;
    this.deliverLimits = { maxBatch: limits.maxBatch, maxTextLength: MAX_DELIVER_LENGTH };
    this.standing = admission.standing;
    this.bundle = new DeliveryBundle(
      admission.together,
      MAX_DELIVER_LENGTH,
      (text) => socket.emit("deliver", text),
      (error) => this.notDelivered(error),
    );
    socket.onAny((event: unknown, ...args: unknown[]) => void this.receive(String(event), args));
    socket.on("disconnect", (reason) => this.ended(reason));

    const { identity } = admission;
    const { session, resumed } = broker.connect(socket.nsp.name, identity, this, admission.session);
    this.session = session;
    this.dialect = dialects.get(session.namespace)?.open(this.dialectLine());
    connections.add(identity.clientId, this);
    if (admission.expiresAt !== undefined) this.endAt(admission.expiresAt);
    context.log.debug({ ...this.names(), resumed }, "connected");
    this.send("welcome", {
      protocol: PROTOCOL_VERSION,
      hubId,
      clientId: identity.clientId,
      session: session.id,
      resumed,
      durability: broker.durability,
      limits,
    });
  }

  deliver(queue: QueueAddress, deliveries: readonly Delivery[], again: boolean): void {
    if (!this.open) return;
    const all = { queue, deliveries, again };
    const isSent = this.backlog === undefined && this.line.hasRoom && fitIn(SENT_AT_ONCE_BYTES, deliveries);
    if (isSent) this.sendDeliveries(all);
    else this.holdBack(all);
  }

  revoked(queue: QueueAddress, deliveries: readonly DeliveryRef[], reason: string): void {
    if (!this.open || this.dialect?.revoked(queue, deliveries, reason)) return;
    this.send("revoked", { queue: nameOf(queue), deliveries: [...deliveries], reason });
  }

  /** Ends the socket so that its client does not reconnect by itself: two clients with one session would do so for ever. */
  replaced(): void {
    this.refuse("connect", new WaybillError("LEASE_LOST", "Another connection has resumed this session."));
    this.socket.disconnect();
  }

  takeUnsent(queueName: string): readonly Delivery[] {
    return this.backlog?.takeAllOf(queueAddress(this.session.namespace, queueName)) ?? [];
  }

  /** Tells the client that the hub is going down in order. */
  drain(reason: string, reconnectAfterMs: number): void {
    this.send("drain", { reason, reconnectAfterMs });
  }

  /** Ends the connection, after what was sent, so that its client reconnects by itself. */
  close(): void {
    this.bundle.flush();
    this.socket.conn.close();
  }

  private sendDeliveries({ queue, deliveries, again }: Deliveries): void {
    try {
      if (this.dialect?.deliver(queue, deliveries, again)) return;
      for (const text of deliverTexts(queue, deliveries, again, this.context.clock.now(), this.deliverLimits)) {
        this.bundle.add(text);
      }
    } catch (error) {
      this.notDelivered(error, queue);
    }
  }

  private holdBack(deliveries: Deliveries): void {
    if (this.backlog !== undefined) return this.backlog.add(deliveries);
    this.backlog = new DeliveryBacklog(this.session);
    this.backlog.add(deliveries);
    this.sendHeldBack();
  }

  private sendHeldBack(): void {
    while (this.line.hasRoom) {
      const next = this.backlog?.take(SENT_AT_ONCE_BYTES);
      if (next === undefined) {
        this.backlog = undefined;
        return;
      }
      this.sendDeliveries(next);
    }
    // With the connection what waits is gone.
    if (this.backlog !== undefined) this.line.onRoom(() => this.sendHeldBack());
  }

  private receive(event: string, args: readonly unknown[]): void {
    // Socket.IO hands over what was received in the turn in which the socket ended.
    if (!this.open) return;
    const last = args.at(-1);
    const reply = isReply(last) ? last : undefined;
    const argument = args[0] === reply ? undefined : args[0];
    try {
      this.replyLater(event, this.answer(event, argument), reply);
    } catch (error) {
      this.tell(event, () => this.refuse(event, error, reply));
    }
  }

  /** Apart from what has the argument: all of it would be kept until the answer is there. */
  private replyLater(event: string, answer: Promise<object>, reply: Reply | undefined): void {
    this.inFlight++;
    answer.then(
      (body) => {
        this.inFlight--;
        this.tell(event, () => reply?.({ ok: true, ...body }));
      },
      (error: unknown) => {
        this.inFlight--;
        this.tell(event, () => this.refuse(event, error, reply));
      },
    );
  }

  /** Nothing of one request may end the hub. */
  private tell(event: string, say: () => void): void {
    try {
      say();
    } catch (error) {
      this.context.log.error({ ...this.names(), event, err: error }, "no answer");
    }
  }

  private answer(event: string, argument: unknown): Promise<object> {
    const { maxInFlight } = this.context;
    if (this.inFlight >= maxInFlight) {
      throw new WaybillError("RATE_LIMITED", `${maxInFlight} requests of this connection wait for their answer.`);
    }
    if (this.line.sentBinary && holdsBinary(argument)) {
      throw new WaybillError("INVALID", "Binary attachments are not JSON: send them as text, base64 for example.");
    }
    const dialectRequest = this.dialect?.requests.get(event);
    if (dialectRequest) return dialectRequest(argument);
    const handler = HANDLERS.get(event);
    if (!handler) throw new WaybillError("UNKNOWN_EVENT", `The hub has no request "${event.slice(0, 128)}".`);
    return handler(this, argument);
  }

  private refuse(event: string, error: unknown, reply?: Reply): void {
    const wireError = toWireError(error);
    if (error instanceof WaybillError) this.context.log.debug({ ...this.names(), event, error: wireError }, "refused");
    else this.context.log.error({ ...this.names(), event, err: error }, "a request failed");
    if (reply) reply({ ok: false, error: wireError });
    else this.send("refused", { event: event.slice(0, 128), error: wireError });
  }

  private ended(reason: string): void {
    this.open = false;
    this.backlog = undefined;
    this.expiry?.cancel();
    this.context.connections.remove(this.session.identity.clientId, this);
    this.broker.disconnect(this.session, this);
    this.context.log.debug({ ...this.names(), reason }, "disconnected");
  }

  /** Looks again at each turn of the timer: one timer cannot wait longer than 24 days. */
  private endAt(expiresAt: number): void {
    const { clock } = this.context;
    this.expiry = clock.setTimer(() => {
      if (clock.now() < expiresAt) return this.endAt(expiresAt);
      this.refuse("connect", new WaybillError("UNAUTHENTICATED", "The token has expired: connect with a new one."));
      this.close();
    }, expiresAt - clock.now());
  }

  /** The leases run out, and the messages are tried again. */
  private notDelivered(error: unknown, queue?: QueueAddress): void {
    this.context.log.error({ ...this.names(), queue, err: error }, "deliveries could not be sent");
  }

  private dialectLine(): Parameters<Dialect["open"]>[0] {
    const standing = () => this.standing;
    return {
      broker: this.broker,
      session: this.session,
      get standing() {
        return standing();
      },
      emit: (event, argument) => void this.socket.emit(event, argument),
      becomeClient: (clientId) => this.becomeClient(clientId),
      log: (fields, text) => this.context.log.info(fields, text),
    };
  }

  private becomeClient(clientId: string): boolean {
    const former = this.session.identity.clientId;
    if (former === clientId) return true;
    if (this.standing !== "anonymous" || !isName(clientId)) return false;
    this.context.connections.checkRoomFor(clientId);
    this.standing = "stated";
    this.session.identity = identityOf(clientId, { operator: true });
    this.context.connections.remove(former, this);
    this.context.connections.add(clientId, this);
    return true;
  }

  private send<Event extends keyof HubToClientEvents>(
    event: Event,
    argument: Parameters<HubToClientEvents[Event]>[0],
  ): void {
    this.bundle.flush();
    this.socket.emit(event, argument);
  }

  private names(): { clientId: string; namespace: string; session: string } {
    const { identity, namespace, id } = this.session;
    return { clientId: identity.clientId, namespace, session: id };
  }
}

type Reply = (reply: object) => void;

function isReply(value: unknown): value is Reply {
  return typeof value === "function";
}
