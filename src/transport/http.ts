import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { reasonOf } from "../protocol/errors";

/** Connections that are still open so long after the server has closed are cut off. */
const CLOSE_TIMEOUT_MS = 1_000;
/**
 * Connections that may wait to be accepted; the system may allow fewer (on Linux `net.core.somaxconn`, mostly 4096). Where
 * all clients come back at once, those past it are not told, and try again ever more seldom, up to half a minute apart.
 */
const BACKLOG = 65_535;

/** The hub's own HTTP server: Socket.IO and `GET /healthz`, which says whether the store takes writes. */
export class HubHttp {
  readonly server: Server;
  private readonly sockets = new Set<Socket>();

  /** @param health rejects with the reason why the hub is of no use now. */
  constructor(private readonly health: () => Promise<void>) {
    this.server = createServer((request, response) => void this.answer(request, response));
    this.server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.once("close", () => this.sockets.delete(socket));
    });
  }

  /** @throws Error as Node gives it: `EADDRINUSE`, `EACCES`, … */
  listen(port: number, host: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(port, host, BACKLOG, () => {
        this.server.removeListener("error", reject);
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    // Upgraded connections are not the HTTP server's any more, yet it waits for them.
    const cutOff = setTimeout(() => this.sockets.forEach((socket) => socket.destroy()), CLOSE_TIMEOUT_MS);
    this.server.closeIdleConnections();
    await closed;
    clearTimeout(cutOff);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split("?", 1)[0];
    if (path !== "/healthz") return send(response, 404, { error: "There is nothing here but /healthz and Socket.IO." });
    if (request.method !== "GET" && request.method !== "HEAD") return send(response, 405, { error: "Only GET." });
    try {
      await this.health();
      send(response, 200, { status: "ok" });
    } catch (error) {
      send(response, 503, { status: "unavailable", reason: reasonOf(error) });
    }
  }
}

/** The URL of a server that listens; on all addresses, the one that this machine reaches it by. */
export function urlOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server does not listen on a port.");
  return `http://${hostText(address)}:${address.port}`;
}

function hostText({ address, family }: AddressInfo): string {
  if (address === "0.0.0.0" || address === "::") return "localhost";
  return family === "IPv6" ? `[${address}]` : address;
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" });
  response.end(JSON.stringify(body));
}
