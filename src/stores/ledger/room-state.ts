import type { RoomAddress } from "../../queue/message";
import type { QueueState } from "./queue-state";

/** A room and the inboxes of its members. */
export class RoomState {
  readonly members = new Set<QueueState>();

  constructor(
    readonly no: number,
    readonly address: RoomAddress,
  ) {}
}
