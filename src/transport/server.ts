import type { IncomingMessage, Server as HttpServer } from "node:http";
import { Server, type Socket } from "socket.io";
import { toWireError, type WireError } from "../protocol/errors";
import { SplicingEncoder } from "../protocol/json-text";
import { requestReader } from "../protocol/requests";
import type { Limits } from "../protocol/wire";
import type { Broker } from "../queue/broker";
import type { Clock } from "../queue/clock";
import type { Dialect } from "../queue/dialect";
import { admit, type Admission, type Gate } from "./admission";
import { Connection, type ConnectionContext } from "./connection";
import { Connections } from "./connections";
import { corkSends, corkUpgrade } from "./corked";
import { Line, type RawConnection } from "./line";
import type { Log } from "./log";
import { originCheck } from "./origins";
import { RequestDecoder } from "./request-decoder";
import { attachTo } from "./server-listeners";

export interface TransportSettings extends Limits {
  readonly namespaces: readonly string[];
  readonly authSecret: string;
  readonly origins: readonly string[];
  readonly prefetch: number;
  readonly pingMs: number;
  readonly maxBufferedBytes: number;
  readonly maxInFlight: number;
  readonly maxConnectionsPerClient: number;
}

export interface TransportParts {
  readonly http: HttpServer;
  readonly hubId: string;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly log: Log;
  /** By namespace. */
  readonly dialects: ReadonlyMap<string, Dialect>;
}

/** An engine connection that joins no namespace in this time is closed. */
const CONNECT_TIMEOUT_MS = 10_000;
/** A connection that has not read what waits for it in this time is cut off when the hub closes. */
const CLOSE_TIMEOUT_MS = 500;

/** Socket.IO on an HTTP server: admits connections, and ends them. */
export class Transport {
  private readonly io: Server;
  private readonly detach: () => void;
  private readonly connections: Connections<Connection>;
  /** The raw connections that are open. */
  private readonly lines = new Map<RawConnection, Line>();
  private readonly admissions = new WeakMap<Socket, Admission>();
  private readonly gate: Gate;
  private readonly context: ConnectionContext;
  private draining = false;
  private closed = false;

  constructor(
    private readonly settings: TransportSettings,
    parts: TransportParts,
  ) {
    const { maxPayloadBytes, maxBatch, maxPacketBytes, maxPrefetch, prefetch, maxInFlight } = settings;
    const { hubId, broker, clock, log, dialects } = parts;
    const limits = { maxPayloadBytes, maxBatch, maxPacketBytes, maxPrefetch };
    this.connections = new Connections(settings.maxConnectionsPerClient);
    this.gate = {
      namespaces: settings.namespaces,
      authSecret: settings.authSecret,
      isDraining: () => this.draining,
      now: () => clock.now(),
      checkRoomFor: (clientId, namespace, shown) =>
        this.connections.checkRoomFor(
          clientId,
          ({ session }) => session.id === shown && session.namespace === namespace,
        ),
    };
    this.context = {
      hubId,
      broker,
      clock,
      log,
      dialects,
      limits,
      maxInFlight,
      read: requestReader(limits),
      defaultPrefetch: prefetch,
      connections: this.connections,
    };
    this.io = this.openServer();
    this.detach = attachTo(parts.http, () => this.attach(parts.http));
    this.openNamespaces();
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.connections.all().length;
  }

  /** Lets no further connection in, and tells the others that the hub is going down. */
  drain(reason: string, reconnectAfterMs: number): void {
    this.draining = true;
    for (const connection of this.connections.all()) connection.drain(reason, reconnectAfterMs);
  }

  /**
   * Ends all connections so that their clients reconnect by themselves: those that read, after what was sent to them.
   * The HTTP server stays its owner's.
   */
  async close(): Promise<void> {
    this.draining = true;
    this.closed = true;
    const gone = [...this.lines.keys()].map((raw) => new Promise((resolve) => raw.once("close", resolve)));
    for (const raw of this.lines.keys()) raw.close();
    const { clock } = this.context;
    await Promise.race([
      Promise.all(gone),
      new Promise<void>((resolve) => void clock.setTimer(resolve, CLOSE_TIMEOUT_MS)),
    ]);
    this.io.engine.close();
    this.detach();
  }

  private openServer(): Server {
    const { settings } = this;
    const mayConnect = originCheck(settings.origins);
    return new Server({
      parser: { Encoder: SplicingEncoder, Decoder: RequestDecoder },
      maxHttpBufferSize: settings.maxPacketBytes,
      pingInterval: settings.pingMs,
      pingTimeout: settings.pingMs,
      connectTimeout: CONNECT_TIMEOUT_MS,
      perMessageDeflate: false,
      cors: { origin: (origin, decide) => decide(null, mayConnect(origin)) },
      allowRequest: ({ headers }, decide) => {
        if (this.closed) decide("the hub is closed", false);
        else if (mayConnect(headers.origin)) decide(null, true);
        else decide("this origin may not connect", false);
      },
    });
  }

  private attach(http: HttpServer): void {
    const { engine } = this.io.attach(http);
    engine.on("headers", (_headers: unknown, request: IncomingMessage) => corkUpgrade(request));
    engine.on("connection", (raw: RawConnection) => this.watch(raw));
  }

  /** Which namespaces there are is decided by the settings: asking for another one does not make it. */
  private openNamespaces(): void {
    const others = this.io.of((name, _auth, decide) => decide(null, this.settings.namespaces.includes(name)));
    // Socket.IO always has "/", so it is the steps of admission that refuse it where it is not wanted.
    for (const namespace of [this.io.of("/"), others]) {
      namespace.use((socket, next) => this.admit(socket, next));
      namespace.on("connection", (socket: Socket) => this.connected(socket));
    }
  }

  private admit(socket: Socket, next: (error?: Error & { data?: WireError }) => void): void {
    const { nsp, handshake } = socket;
    try {
      this.admissions.set(socket, admit(nsp.name, handshake.address, handshake.auth, this.gate));
    } catch (error) {
      const data = toWireError(error);
      this.context.log.info({ namespace: nsp.name, address: handshake.address, error: data }, "connection refused");
      next(Object.assign(new Error(data.message), { data }));
      return;
    }
    next();
  }

  private connected(socket: Socket): void {
    const admission = this.admissions.get(socket);
    const line = this.lines.get(socket.conn);
    if (admission === undefined || line === undefined) throw new Error("a socket connected without admission");
    new Connection(socket, line, admission, this.context);
  }

  private watch(raw: RawConnection): void {
    corkSends(raw);
    const line = new Line(raw, this.settings.maxBufferedBytes, (waitingBytes) => {
      this.context.log.warn({ address: raw.remoteAddress, waitingBytes }, "closing a connection that does not read");
      raw.close(true);
    });
    this.lines.set(raw, line);
    raw.once("close", () => this.lines.delete(raw));
    // The first request with all its headers would stay in memory as long as its connection.
    Object.assign(raw, { request: null });
  }
}
