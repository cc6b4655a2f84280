/** What fits in one packet. One over the hub's limit is not refused: it ends the connection. */
import type { Limits } from "../../src/protocol/wire";

/** Bytes of a packet that are not its items. */
const ENVELOPE_BYTES = 1_024;
/** Bytes that one character of a JSON text can be in UTF-8. */
const MAX_BYTES_PER_CHARACTER = 3;
/**
 * Characters of several items in one packet, at the most. What V8 reads from a JSON text of 100 KiB or more it puts
 * among what lives long at once: at the hub, a packet's worth of garbage for each packet.
 */
const MAX_BATCH_LENGTH = 96_000;
/** Characters of a delivery in a request, besides its id and the name of its queue. */
const REF_LENGTH = 40;
const QUEUE_FIELD_LENGTH = 12;

export type PacketLimits = Pick<Limits, "maxBatch" | "maxPacketBytes">;

/** The room for items in one packet: for so many, and so many characters of them. */
export class PacketRoom {
  private readonly maxItems: number;
  private lengthLeft: number;
  private items = 0;

  /** @param sharedLength characters of what the packet says once for all of its items, where that may be long. */
  constructor({ maxBatch, maxPacketBytes }: PacketLimits, sharedLength = 0) {
    const maxLength = maxPacketBytes / MAX_BYTES_PER_CHARACTER - ENVELOPE_BYTES;
    this.maxItems = maxBatch;
    this.lengthLeft = Math.min(maxLength - sharedLength, MAX_BATCH_LENGTH);
  }

  /**
   * Takes room for one more item of so many characters.
   *
   * @returns false where there is none; never for the first one, which could not travel otherwise either.
   */
  take(length: number): boolean {
    if (this.items > 0 && (this.items >= this.maxItems || length > this.lengthLeft)) return false;
    this.items++;
    this.lengthLeft -= length + 1;
    return true;
  }
}

/** The items in order, so many together as fit in a packet. */
export function inPackets<Item>(
  items: readonly Item[],
  limits: PacketLimits,
  lengthOf: (item: Item) => number,
): Item[][] {
  const packets: Item[][] = [];
  let packet: Item[] = [];
  let room = new PacketRoom(limits);
  for (const item of items) {
    const length = lengthOf(item);
    if (!room.take(length)) {
      packets.push(packet);
      packet = [];
      room = new PacketRoom(limits);
      room.take(length);
    }
    packet.push(item);
  }
  if (packet.length > 0) packets.push(packet);
  return packets;
}

/** Characters, or a few more, of a delivery that a request names, with its queue where that is not the request's own. */
export function refLength(id: string, queue?: string): number {
  return REF_LENGTH + id.length + (queue === undefined ? 0 : QUEUE_FIELD_LENGTH + queue.length);
}

/** Whether an item is too long even for a packet of its own. Counts exactly only where the number of characters leaves it open. */
export function exceedsPacket(json: string, maxPacketBytes: number): boolean {
  if (json.length * MAX_BYTES_PER_CHARACTER + ENVELOPE_BYTES <= maxPacketBytes) return false;
  return new TextEncoder().encode(json).length + ENVELOPE_BYTES > maxPacketBytes;
}
