import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { RawConnection } from "./line";

type Transport = RawConnection["transport"];

/** What is needed of Engine.IO's WebSocket transport: its socket is one of the `ws` package, over a stream. */
interface WebSocketTransport {
  send(packets: never): void;
  readonly socket?: { readonly _socket?: Duplex | null };
}

/**
 * Has the packets that a connection sends together written to its socket together. Each is a frame of its own, and would
 * else be a system call of its own: most of the cost of many small replies.
 */
export function corkSends(raw: RawConnection): void {
  corkTransport(raw.transport);
  raw.on("upgrade", (transport: Transport) => corkTransport(transport));
}

/** Has the answer that opens a WebSocket written together with the first packet that goes through it. */
export function corkUpgrade({ headers, socket }: IncomingMessage): void {
  if (headers.upgrade === undefined) return;
  socket.cork();
  setImmediate(() => socket.uncork());
}

function corkTransport(transport: Transport): void {
  if (transport.name !== "websocket") return;
  const webSocket = transport as unknown as WebSocketTransport;
  const send = webSocket.send.bind(webSocket);
  webSocket.send = (packets) => {
    const stream = webSocket.socket?._socket;
    stream?.cork();
    try {
      send(packets);
    } finally {
      stream?.uncork();
    }
  };
}
