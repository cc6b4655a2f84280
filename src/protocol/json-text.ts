import { Encoder, PacketType, type Packet } from "socket.io-parser";

/** An event's one argument, or a reply, as JSON text already: what is text at hand need not be parsed to be written again. */
export class JsonText {
  constructor(readonly json: string) {}
}

/**
 * Socket.IO's own encoder, except that it takes a `JsonText` as it stands. What goes over the wire is the default parser's
 * text: the other end uses the one that it came with.
 */
export class SplicingEncoder extends Encoder {
  override encode(packet: Packet): unknown[] {
    const { type, nsp, id } = packet;
    const data: readonly unknown[] = Array.isArray(packet.data) ? packet.data : [];
    const last = data[data.length - 1];
    if (!(last instanceof JsonText)) return super.encode(packet);
    const head = `${type}${nsp === "/" ? "" : `${nsp},`}${id ?? ""}`;
    if (type === PacketType.EVENT) return [`${head}[${JSON.stringify(data[0])},${last.json}]`];
    return type === PacketType.ACK ? [`${head}[${last.json}]`] : super.encode(packet);
  }
}
