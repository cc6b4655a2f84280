import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type Socket } from "socket.io";
import { inboxOf } from "../../src/protocol/names";
import type {
  AckRequest,
  ClientToHubEvents,
  DeliveredMessage,
  Handshake,
  HubToClientEvents,
  PublishMessage,
  Welcome,
} from "../../src/protocol/wire";

type RequestName = keyof ClientToHubEvents;
type Body<Name extends RequestName> = Parameters<ClientToHubEvents[Name]>[0];
/** What to reply; undefined keeps silent. */
type Answer<Name extends RequestName> = (body: Body<Name>, connection: number) => unknown;

interface ReceivedRequest {
  readonly name: RequestName;
  readonly body: unknown;
  /** 1 for the first connection. */
  readonly connection: number;
}

const REQUESTS: readonly RequestName[] = [
  "publish",
  "consume",
  "cancel",
  "ack",
  "nack",
  "extend",
  "join",
  "leave",
  "dead",
  "redrive",
  "purge",
  "why",
];

/**
 * The other end of the wire for tests of the client library: it answers as the protocol says, keeps nothing but what it
 * was asked, and misbehaves where a test tells it to.
 */
export class ScriptedHub {
  readonly requests: ReceivedRequest[] = [];
  readonly handshakes: Handshake[] = [];
  /** Over the defaults, in every welcome from now on. */
  welcome: Partial<Welcome> = {};
  /** What the namespace's middleware refuses connections with, while it is set. */
  refusal: (Error & { data?: unknown }) | undefined;
  private readonly http: HttpServer;
  private readonly io: Server;
  private readonly answers = new Map<RequestName, Answer<RequestName>>();
  private readonly stored = new Map<string, number>();
  private readonly watchers = new Set<() => void>();
  private socket: Socket | undefined;

  private constructor() {
    this.http = createServer();
    this.io = new Server(this.http);
    this.io.use((_socket, next) => next(this.refusal));
    this.io.on("connection", (socket) => this.accept(socket));
  }

  static async start(): Promise<ScriptedHub> {
    const hub = new ScriptedHub();
    await new Promise<void>((resolve) => hub.http.listen(0, "127.0.0.1", resolve));
    return hub;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    await this.io.close();
  }

  /** Answers a request so from now on, in the place of the default. */
  answer<Name extends RequestName>(name: Name, answer: Answer<Name>): void {
    this.answers.set(name, answer);
  }

  /** Answers a request as by default again. */
  answerAsUsual(name: RequestName): void {
    this.answers.delete(name);
  }

  /** What came under this name so far, in order. */
  bodies<Name extends RequestName>(name: Name, connection?: number): Body<Name>[] {
    return this.requests
      .filter((request) => request.name === name && (connection === undefined || request.connection === connection))
      .map((request) => request.body as Body<Name>);
  }

  /** The messages of every `publish` so far, in order. */
  published(connection?: number): PublishMessage[] {
    return this.bodies("publish", connection).flatMap((body) => ("messages" in body ? body.messages : [body]));
  }

  /** Every `id#attempt` of this request so far, in order. */
  settled(name: "ack" | "nack" | "extend", connection?: number): string[] {
    return this.bodies(name, connection).flatMap((body) => body.deliveries.map((ref) => `${ref.id}#${ref.attempt}`));
  }

  /** Resolves once the condition holds; looked at whenever a connection or request comes. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const watch = (): void => {
        if (!condition()) return;
        this.watchers.delete(watch);
        resolve();
      };
      this.watchers.add(watch);
      watch();
    });
  }

  /** Sends to the current connection. */
  send<Name extends keyof HubToClientEvents>(name: Name, packet: Parameters<HubToClientEvents[Name]>[0]): void {
    this.sendRaw(name, packet);
  }

  /** Sends what the protocol may not allow. */
  sendRaw(name: string, packet: unknown): void {
    this.socket?.emit(name, packet);
  }

  deliver(queue: string, ...messages: DeliveredMessage[]): void {
    this.send("deliver", { queue, messages });
  }

  /** Breaks the transport, as a network does. */
  cut(): void {
    this.socket?.conn.close();
  }

  /** Ends the connection as a server does that wants the client gone. */
  kick(): void {
    this.socket?.disconnect(true);
  }

  private accept(socket: Socket): void {
    this.socket = socket;
    const handshake = socket.handshake.auth as Handshake;
    const connection = this.handshakes.push(handshake);
    for (const name of REQUESTS) {
      socket.on(name, (body: unknown, reply: (reply: unknown) => void) => {
        this.requests.push({ name, body, connection });
        const answer = (this.answers.get(name) ?? this.defaultAnswer(name))(body as never, connection);
        if (answer !== undefined) reply(answer);
        this.look();
      });
    }
    socket.emit("welcome", this.welcomeFor(handshake, connection));
    this.look();
  }

  private welcomeFor(handshake: Handshake, connection: number): Welcome {
    return {
      protocol: 1,
      hubId: "scripted",
      clientId: handshake.clientId ?? "somebody",
      session: `session-${connection}`,
      resumed: false,
      durability: "disk",
      limits: { maxPayloadBytes: 262_144, maxBatch: 1_000, maxPacketBytes: 1_000_000, maxPrefetch: 1_000 },
      ...this.welcome,
    };
  }

  private look(): void {
    for (const watch of [...this.watchers]) watch();
  }

  private defaultAnswer(name: RequestName): (body: never) => unknown {
    const settled = (status: string) => (body: AckRequest) => ({
      ok: true,
      results: body.deliveries.map(({ id }) => ({ id, status })),
    });
    switch (name) {
      case "publish":
        return (body: { messages: (PublishMessage & { id: string })[] }) => ({
          ok: true,
          results: body.messages.map((message) => this.store(message.id)),
          durability: "disk",
        });
      case "consume":
      case "cancel":
        return (body: { queue?: string }) => ({ ok: true, queue: body.queue ?? inboxOf("somebody"), ready: 0 });
      case "ack":
        return settled("acked");
      case "nack":
        return settled("nacked");
      case "extend":
        return settled("extended");
      case "join":
      case "leave":
        return (body: { room: string }) => ({ ok: true, room: body.room, members: 1 });
      case "dead":
      case "redrive":
      case "purge":
      case "why":
        return () => ({ ok: false, error: { code: "FORBIDDEN", message: "not an operator", retryable: false } });
    }
  }

  private store(id: string): { id: string; seq: number; status: string } {
    const former = this.stored.get(id);
    if (former !== undefined) return { id, seq: former, status: "duplicate" };
    const seq = this.stored.size + 1;
    this.stored.set(id, seq);
    return { id, seq, status: "stored" };
  }
}

/** A first delivery, as the hub would give it. */
export function deliveredMessage(id: string, over: Partial<DeliveredMessage> = {}): DeliveredMessage {
  return {
    id,
    seq: 1,
    event: "pickup",
    payload: { id },
    attempt: 1,
    publishedAt: "2024-01-01T00:00:00.000Z",
    publisher: "acme",
    leaseMs: 30_000,
    ...over,
  };
}

/** A promise and its handle, for handlers that a test holds up. */
export function gate<T = void>(): { opened: Promise<T>; open: (value: T) => void } {
  let open: (value: T) => void = () => undefined;
  const opened = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
