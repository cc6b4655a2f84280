import { WaybillError } from "../../protocol/errors";
import { isRoomAddress, type QueueAddress, type RoomAddress } from "../../queue/message";
import type { Journal, Snapshot } from "./journal";
import { QueueState } from "./queue-state";
import { RoomState } from "./room-state";

/** The queues and rooms that there are, by address, and the numbers that the journal files them under. */
export class Directory {
  private readonly queues = new Map<QueueAddress, QueueState>();
  private readonly queuesByNo = new Map<number, QueueState>();
  private readonly rooms = new Map<RoomAddress, RoomState>();
  private lastNo = 0;

  /** @param maxQueues queues and rooms that may exist. */
  constructor(
    private readonly journal: Pick<Journal, "addQueue">,
    private readonly maxQueues: number,
  ) {}

  queue(address: QueueAddress): QueueState | undefined {
    return this.queues.get(address);
  }

  room(address: RoomAddress): RoomState | undefined {
    return this.rooms.get(address);
  }

  queueNo(no: number): QueueState | undefined {
    return this.queuesByNo.get(no);
  }

  /** The queue, made if there is none. @throws WaybillError `LIMIT_REACHED` when there are as many as there may be. */
  openQueue(address: QueueAddress): QueueState {
    return this.queues.get(address) ?? this.addQueue(this.newNo(address), address);
  }

  /** The room, made if there is none. Throws as `openQueue` does. */
  openRoom(address: RoomAddress): RoomState {
    return this.rooms.get(address) ?? this.addRoom(this.newNo(address), address);
  }

  /** Takes in what the journal has: queues with what waits in them on disk, rooms with their members, busy groups. */
  restore({ queues, lanes, members, groupHolders }: Snapshot): void {
    const roomsByNo = new Map<number, RoomState>();
    for (const { no, address, delayed, dead, expired } of queues) {
      this.lastNo = Math.max(this.lastNo, no);
      if (isRoomAddress(address)) {
        roomsByNo.set(no, this.addRoom(no, address));
      } else {
        const queue = this.addQueue(no, address);
        queue.total = delayed;
        queue.delayed = delayed;
        queue.dead = dead;
        queue.expired = expired;
      }
    }
    for (const { queueNo, priority, count } of lanes) {
      const queue = this.queuesByNo.get(queueNo);
      if (queue === undefined) continue;
      queue.total += count;
      const lane = queue.lane(priority);
      lane.closeBefore(1);
      lane.onDisk = count;
    }
    for (const { roomNo, inboxNo } of members) {
      const inbox = this.queuesByNo.get(inboxNo);
      if (inbox) roomsByNo.get(roomNo)?.restore(inbox);
    }
    for (const { queueNo, group, seq } of groupHolders) this.queuesByNo.get(queueNo)?.holdGroup(group, seq);
  }

  private addQueue(no: number, address: QueueAddress): QueueState {
    const queue = new QueueState(no, address);
    this.queues.set(address, queue);
    this.queuesByNo.set(no, queue);
    return queue;
  }

  private addRoom(no: number, address: RoomAddress): RoomState {
    const room = new RoomState(no, address);
    this.rooms.set(address, room);
    return room;
  }

  private newNo(address: QueueAddress | RoomAddress): number {
    if (this.queues.size + this.rooms.size >= this.maxQueues) {
      throw new WaybillError("LIMIT_REACHED", `There are ${this.maxQueues} queues and rooms, as many as there may be.`);
    }
    const no = ++this.lastNo;
    this.journal.addQueue(no, address);
    return no;
  }
}
