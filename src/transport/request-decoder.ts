import { Decoder, PacketType, type Packet } from "socket.io-parser";

/** An event's name and its one argument. */
const EVENT_LENGTH = 2;
/** What a request to connect begins with. */
const CONNECT = String(PacketType.CONNECT);
/** Namespaces that one connection may ask for in one turn, those that there are not among them: each is answered. */
const MAX_CONNECTS = 256;

/** Socket.IO's own decoder, less what would harm the hub. */
export class RequestDecoder extends Decoder {
  /** Namespaces that were asked for in this turn. */
  private connects: Set<string> | undefined;

  constructor() {
    super();
    // Goes before Socket.IO's own listener.
    this.on("decoded", cutArguments);
  }

  /** @throws Error for what is no packet, or more than any client asks for: the connection ends. */
  override add(encoded: unknown): void {
    if (typeof encoded === "string" && encoded.startsWith(CONNECT) && this.isRepeated(namespaceIn(encoded))) return;
    super.add(encoded);
  }

  /**
   * Guard against a request to connect that is sent many times: Socket.IO takes each for one of its own until the first is
   * granted, a turn later.
   */
  private isRepeated(namespace: string): boolean {
    if (this.connects === undefined) {
      this.connects = new Set();
      setImmediate(() => (this.connects = undefined));
    }
    if (this.connects.has(namespace)) return true;
    if (this.connects.size >= MAX_CONNECTS) throw new Error("too many requests to connect at once");
    this.connects.add(namespace);
    return false;
  }
}

/** Socket.IO hands each item over as an argument of a call. More than fit on the stack would end the process. */
function cutArguments({ data }: Packet): void {
  if (Array.isArray(data) && data.length > EVENT_LENGTH) data.length = EVENT_LENGTH;
}

/** As Socket.IO reads it: from the slash behind the type to a comma, or to the end. */
function namespaceIn(encoded: string): string {
  if (encoded[CONNECT.length] !== "/") return "/";
  const end = encoded.indexOf(",");
  return encoded.slice(CONNECT.length, end === -1 ? undefined : end);
}
