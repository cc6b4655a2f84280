import { WaybillError } from "../../protocol/errors";
import { isRoomAddress, type QueueAddress, type RoomAddress } from "../../queue/message";
import type { Journal, Snapshot } from "./journal";
import type { MemoryBudget } from "./memory-budget";
import { QueueState } from "./queue-state";
import { RoomState } from "./room-state";

export interface DirectoryLimits {
  /** Queues and rooms that may exist. */
  readonly maxQueues: number;
  /** Queues and rooms that one client may make, by publishing to them or joining them; its own inbox is one of them. */
  readonly maxQueuesPerClient: number;
}

/** The way out. */
const FORGOTTEN = "Those that hold nothing are forgotten at the hub's next start.";

/** The queues and rooms that there are, by address, and the numbers that the journal files them under. */
export class Directory {
  private readonly queues = new Map<QueueAddress, QueueState>();
  private readonly queuesByNo = new Map<number, QueueState>();
  private readonly rooms = new Map<RoomAddress, RoomState>();
  /** How many queues and rooms each client has made. */
  private readonly made = new Map<string, number>();
  private lastNo = 0;

  constructor(
    private readonly journal: Pick<Journal, "addQueue">,
    private readonly limits: DirectoryLimits,
    private readonly budget: MemoryBudget,
  ) {}

  /** Every queue that there is. */
  allQueues(): Iterable<QueueState> {
    return this.queues.values();
  }

  queue(address: QueueAddress): QueueState | undefined {
    return this.queues.get(address);
  }

  room(address: RoomAddress): RoomState | undefined {
    return this.rooms.get(address);
  }

  queueNo(no: number): QueueState | undefined {
    return this.queuesByNo.get(no);
  }

  /**
   * The queue, made for this client if there is none: as one of those that it may make.
   *
   * @throws WaybillError `LIMIT_REACHED` when there are as many as there may be, or as this client may make.
   */
  openQueue(address: QueueAddress, client: string): QueueState {
    return this.queues.get(address) ?? this.addQueue(this.newNo(address, client), address);
  }

  /** The room, made for this client if there is none. Throws as `openQueue` does. */
  openRoom(address: RoomAddress, client: string): RoomState {
    return this.rooms.get(address) ?? this.addRoom(this.newNo(address, client), address);
  }

  /** Takes in what the journal has: queues with what waits in them on disk, rooms with their members, busy groups. */
  restore({ queues, lanes, members, groupHolders }: Snapshot): void {
    const roomsByNo = new Map<number, RoomState>();
    for (const { no, address, creator, delayed, delayedBytes, dead, expired, purged } of queues) {
      this.lastNo = Math.max(this.lastNo, no);
      this.made.set(creator, (this.made.get(creator) ?? 0) + 1);
      if (isRoomAddress(address)) {
        roomsByNo.set(no, this.addRoom(no, address));
      } else {
        const queue = this.addQueue(no, address);
        queue.total = delayed;
        queue.delayed = delayed;
        queue.dead = dead;
        queue.bytes = delayedBytes;
        queue.heldBytes = delayedBytes;
        queue.expired = expired;
        queue.purged = purged;
      }
    }
    for (const { queueNo, priority, count, bytes } of lanes) {
      const queue = this.queuesByNo.get(queueNo);
      if (queue === undefined) continue;
      queue.total += count;
      queue.bytes += bytes;
      const lane = queue.lane(priority);
      lane.closeBefore(1);
      lane.onDisk += count;
    }
    for (const { roomNo, inboxNo } of members) {
      const inbox = this.queuesByNo.get(inboxNo);
      if (inbox) roomsByNo.get(roomNo)?.restore(inbox);
    }
    for (const holder of groupHolders) this.queuesByNo.get(holder.queueNo)?.holdGroup(holder.group, holder);
  }

  /** Seqs of the messages that hold the groups of all queues. */
  *groupHolders(): Iterable<number> {
    for (const queue of this.queues.values()) yield* queue.groupHolders();
  }

  private addQueue(no: number, address: QueueAddress): QueueState {
    const queue = new QueueState(no, address, this.budget);
    this.queues.set(address, queue);
    this.queuesByNo.set(no, queue);
    return queue;
  }

  private addRoom(no: number, address: RoomAddress): RoomState {
    const room = new RoomState(no, address);
    this.rooms.set(address, room);
    return room;
  }

  private newNo(address: QueueAddress | RoomAddress, client: string): number {
    const { maxQueues, maxQueuesPerClient } = this.limits;
    if (this.queues.size + this.rooms.size >= maxQueues) {
      throw new WaybillError(
        "LIMIT_REACHED",
        `There are ${maxQueues} queues and rooms, as many as there may be. ${FORGOTTEN}`,
      );
    }
    const made = this.made.get(client) ?? 0;
    if (made >= maxQueuesPerClient) {
      throw new WaybillError(
        "LIMIT_REACHED",
        `${client} has made ${made} queues and rooms, as many as it may. ${FORGOTTEN}`,
      );
    }
    this.made.set(client, made + 1);
    const no = ++this.lastNo;
    this.journal.addQueue(no, address, client);
    return no;
  }
}
