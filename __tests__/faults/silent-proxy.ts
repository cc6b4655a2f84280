import net from "node:net";

interface Pair {
  readonly client: net.Socket;
  readonly hub: net.Socket;
}

/**
 * A TCP proxy whose connections can fall silent, as when a cable is pulled or a router forgets: neither side hears from
 * the other any more, and neither is told. New connections pass.
 */
export class SilentProxy {
  private readonly pairs = new Set<Pair>();

  private constructor(
    private readonly server: net.Server,
    readonly url: string,
  ) {}

  static async to(url: string): Promise<SilentProxy> {
    const target = Number(new URL(url).port);
    const server = net.createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const proxy = new SilentProxy(server, `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`);
    server.on("connection", (client) => proxy.connect(client, target));
    return proxy;
  }

  /** Cuts what passes through all connections that there are now, in both directions or in one. */
  silence(direction: "both" | "to the hub" | "to the client" = "both"): void {
    for (const { client, hub } of this.pairs) {
      if (direction !== "to the client") client.unpipe(hub).resume();
      if (direction !== "to the hub") hub.unpipe(client).resume();
    }
  }

  /** Resolves when the clients have ended the connections that there are now. */
  async left(): Promise<void> {
    await Promise.all([...this.pairs].map(({ client }) => new Promise((resolve) => client.once("close", resolve))));
  }

  async close(): Promise<void> {
    for (const { client, hub } of this.pairs) {
      client.destroy();
      hub.destroy();
    }
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private connect(client: net.Socket, target: number): void {
    const hub = net.connect(target, "127.0.0.1");
    const pair = { client, hub };
    this.pairs.add(pair);
    // An end of one side is passed on only while something passes.
    client.pipe(hub);
    hub.pipe(client);
    for (const socket of [client, hub]) socket.on("error", () => undefined);
    client.resume();
  }
}
