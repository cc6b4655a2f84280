import { Decoder, PacketType, type Packet } from "socket.io-parser";

/** An event's name and its one argument. */
const EVENT_LENGTH = 2;
/** Namespaces that one connection may ask for in one turn, those that there are not among them: each is answered. */
const MAX_CONNECTS = 256;

/** Socket.IO's own decoder, less what would harm the hub. It throws for that, as for what is no packet: the connection ends. */
export class RequestDecoder extends Decoder {
  /** Namespaces that were asked for in this turn. */
  private connects: Set<string> | undefined;

  constructor() {
    super();
    // Goes before Socket.IO's own listener, and instead of it where it throws.
    this.on("decoded", (packet) => this.check(packet));
  }

  private check({ type, nsp, data }: Packet): void {
    if (type === PacketType.CONNECT) this.noteConnect(nsp);
    // Socket.IO hands each item over as an argument of a call. More than fit on the stack would end the process.
    if (Array.isArray(data) && data.length > EVENT_LENGTH) data.length = EVENT_LENGTH;
  }

  /** Guard against a request to connect that is sent many times: Socket.IO refuses a second one only when the first is granted, a turn later. */
  private noteConnect(namespace: string): void {
    if (this.connects === undefined) {
      this.connects = new Set();
      setImmediate(() => (this.connects = undefined));
    }
    if (this.connects.has(namespace) || this.connects.size >= MAX_CONNECTS) {
      throw new Error("too many requests to connect at once");
    }
    this.connects.add(namespace);
  }
}
