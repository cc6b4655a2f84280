import { roomNameOf, type RoomAddress } from "../../queue/message";
import { MESSAGE_CELLS, type MessageCells } from "./calls";
import { verifyContent } from "./content-check";

export type SqlCell = string | number | null;

const ROOM_CELL = 14;

/**
 * A stored message's cells without what follows them, and with the room's name in the place of its address. The cell
 * behind them is the check of the content.
 *
 * @throws DamagedError when the content is not what was stored.
 */
export function messageCells(row: readonly SqlCell[]): MessageCells {
  const cells = row.slice(0, MESSAGE_CELLS);
  const room = cells[ROOM_CELL];
  if (typeof room === "string") cells[ROOM_CELL] = roomNameOf(room as RoomAddress);
  const message = cells as unknown as MessageCells;
  const [seq, , priority, , , , , id, event, payload, group, headers, publisher, publishedAt] = message;
  const content = { priority, id, event, payload, group, headers, publisher, publishedAt };
  verifyContent(seq, content, row[MESSAGE_CELLS]);
  return message;
}
