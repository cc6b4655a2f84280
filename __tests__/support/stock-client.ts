/** A plain `socket.io-client`, as a program without Waybill's library would use it, with a memory of what it got. */
import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";

export interface StockOptions extends Partial<ManagerOptions & SocketOptions> {
  /** `/` when left out. */
  readonly namespace?: string;
}

/** An event as it came in, with its first argument. */
export interface Received {
  readonly event: string;
  readonly argument: unknown;
}

/** What the WebSocket below a stock client can do in Node. */
interface FrozenSocket {
  pause(): void;
  resume(): void;
  terminate(): void;
}

const NEXT_TIMEOUT_MS = 5_000;
const clients = new Set<StockClient>();

export class StockClient {
  readonly socket: Socket;
  /** All events so far, in order. */
  readonly received: Received[] = [];
  private readonly taken = new Set<Received>();
  private readonly waiting = new Set<() => void>();
  private frozen: FrozenSocket | undefined;

  constructor(url: string, { namespace = "/", ...options }: StockOptions = {}) {
    this.socket = io(url + namespace, { transports: ["websocket"], forceNew: true, reconnectionDelay: 50, ...options });
    this.socket.onAny((event: string, argument: unknown) => {
      this.received.push({ event, argument });
      for (const wake of this.waiting) wake();
    });
    clients.add(this);
  }

  /** The first event of this name that was not asked for yet, come or still to come. */
  async next<Argument>(event: string, timeoutMs = NEXT_TIMEOUT_MS): Promise<Argument> {
    const found = () => this.received.find((each) => each.event === event && !this.taken.has(each));
    let timer: NodeJS.Timeout | undefined;
    const received = await new Promise<Received>((resolve, reject) => {
      const look = () => {
        const one = found();
        if (one) resolve(one);
        return one !== undefined;
      };
      if (look()) return;
      const wake = () => void (look() && this.waiting.delete(wake));
      this.waiting.add(wake);
      timer = setTimeout(() => {
        this.waiting.delete(wake);
        const got = this.received.map((each) => each.event).join(", ");
        reject(new Error(`no "${event}" in ${timeoutMs} ms; received: ${got || "nothing"}`));
      }, timeoutMs);
    }).finally(() => clearTimeout(timer));
    this.taken.add(received);
    return received.argument as Argument;
  }

  /** Sends a request and gives its reply, whatever that is. */
  async request<Reply = Record<string, unknown>>(event: string, ...args: unknown[]): Promise<Reply> {
    return (await this.socket.timeout(NEXT_TIMEOUT_MS).emitWithAck(event, ...args)) as Reply;
  }

  /** Resolves with the reason when the socket is disconnected. */
  disconnected(): Promise<string> {
    if (this.socket.disconnected) return Promise.resolve("was not connected");
    return new Promise((resolve) => this.socket.once("disconnect", (reason) => resolve(reason)));
  }

  /** Cuts the connection as a network does: nothing is said to the hub, and the client does not come back. */
  cut(): void {
    this.socket.io.reconnection(false);
    this.socket.io.engine.close();
  }

  /** Stops reading, and so answering pings: the connection looks alive to the network and is dead to the hub. */
  freeze(): void {
    const { ws } = (this.socket.io.engine as unknown as { transport: { ws: FrozenSocket } }).transport;
    ws.pause();
    this.frozen = ws;
  }

  /** Reads again. */
  thaw(): void {
    this.frozen?.resume();
  }

  close(): void {
    clients.delete(this);
    this.socket.close();
    this.frozen?.terminate();
  }
}

/** Connects and waits for the welcome. */
export async function connectStock<Welcome = Record<string, unknown>>(
  url: string,
  options: StockOptions = {},
): Promise<{ client: StockClient; welcome: Welcome }> {
  const client = new StockClient(url, options);
  return { client, welcome: await client.next<Welcome>("welcome") };
}

/** Connects and gives the error with which that is refused. */
export function connectRefused(url: string, options: StockOptions = {}): Promise<Error & { data?: unknown }> {
  const client = new StockClient(url, { reconnection: false, ...options });
  return new Promise((resolve, reject) => {
    client.socket.once("connect_error", resolve);
    client.socket.once("connect", () => reject(new Error("the hub let it in")));
  });
}

export function closeStockClients(): void {
  for (const client of clients) client.close();
}
