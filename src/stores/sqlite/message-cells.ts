import { roomNameOf, type RoomAddress } from "../../queue/message";
import type { MessageCells } from "./calls";

export type SqlCell = string | number | null;

const ROOM_CELL = 14;

/** The cells without what follows them, and with the room's name in the place of its address. */
export function messageCells(row: readonly SqlCell[]): MessageCells {
  const cells = row.slice(0, ROOM_CELL + 1);
  const room = cells[ROOM_CELL];
  if (typeof room === "string") cells[ROOM_CELL] = roomNameOf(room as RoomAddress);
  return cells as unknown as MessageCells;
}
