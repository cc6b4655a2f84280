import type { Manager } from "socket.io-client";

/** Milliseconds in which a hub that is there has answered that the connection ends. */
const ANSWER_MS = 1_000;

/** Node's WebSocket. A browser's has nothing of the kind, and no process that would wait for it. */
interface Terminable {
  terminate(): void;
}

/**
 * Ends what is below a connection that is over, also where the hub does not answer: Node's WebSocket would wait half a
 * minute for that, and the process with it.
 */
export class Farewell {
  private webSocket: Terminable | undefined;

  constructor(private readonly manager: Manager) {
    manager.on("open", () => {
      const { engine } = manager;
      this.webSocket = webSocketOf(engine.transport);
      engine.on("upgrade", (transport) => (this.webSocket = webSocketOf(transport)));
    });
  }

  /** The connection is over, however that came about: it has said so, or is about to in this turn. */
  begin(): void {
    // One that was not opened all the way is known to its transport alone.
    const webSocket = this.webSocket ?? webSocketOf(transportOf(this.manager));
    this.webSocket = undefined;
    // Not what keeps the process either: the WebSocket does, if anything.
    if (webSocket) setTimeout(() => webSocket.terminate(), ANSWER_MS).unref();
  }
}

/** None before the first attempt. */
function transportOf({ engine }: { readonly engine?: { readonly transport: object } }): object | undefined {
  return engine?.transport;
}

/** Taken from it while it is there: the transport lets go of it as soon as it closes. */
function webSocketOf(transport: object | undefined): Terminable | undefined {
  const webSocket: unknown = transport && Reflect.get(transport, "ws");
  return isTerminable(webSocket) ? webSocket : undefined;
}

function isTerminable(value: unknown): value is Terminable {
  return typeof value === "object" && value !== null && "terminate" in value && typeof value.terminate === "function";
}
