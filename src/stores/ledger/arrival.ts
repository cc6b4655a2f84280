import { roomNameOf, sizeOf, type NewMessage, type QueueAddress, type RoomAddress } from "../../queue/message";
import type { AppendRow, RoomAppendRow, StoredMessage } from "./journal";
import type { Lane } from "./lane";
import type { Ledger } from "./ledger";
import type { QueueState } from "./queue-state";
import { RoomCopies } from "./room-copies";
import type { RoomState } from "./room-state";

/** A message that has its place, and is on its way to be stored. */
export interface Arrival {
  readonly row: AppendRow | RoomAppendRow;
  /** Where it arrives. */
  readonly queues: readonly QueueState[];
  /** It was stored, or, being a duplicate or refused, was not. */
  end(stored: boolean): void;
}

/** Gives a message its place in a queue. */
export function arriveInQueue(ledger: Ledger, message: NewMessage, queue: QueueState): Arrival {
  const stored = storedMessage(message, ++ledger.lastSeq, queue.no, queue.address);
  const content = new ArrivingContent(ledger, stored, message.dueAt);
  const resident = content.begin(queue, stored.seq);
  const { dueAt, isDueFixed } = message;
  return {
    row: { message: stored, dueAt, isDueFixed, resident },
    queues: [queue],
    end: (isStored) => content.end(queue, resident, isStored)?.list.insert(stored),
  };
}

/** Gives a message its places in the inboxes of a room's members. */
export function arriveInRoom(ledger: Ledger, message: NewMessage, room: RoomState): Arrival {
  const stored = storedMessage(message, ++ledger.lastSeq, room.no, room.address as unknown as QueueAddress);
  const content = new ArrivingContent(ledger, stored, message.dueAt);
  const inboxes = room.inboxes();
  const resident: number[] = [];
  const copies = new RoomCopies(stored, roomNameOf(message.target as RoomAddress), inboxes, resident);
  for (const [place, inbox] of inboxes.queues.entries()) {
    if (content.begin(inbox, copies.seqAt(place))) resident.push(place);
  }
  ledger.lastSeq += copies.count;
  const { dueAt, isDueFixed } = message;
  return {
    row: { message: stored, dueAt, isDueFixed, copies },
    queues: inboxes.queues,
    end: (isStored) => {
      let next = 0;
      for (const [place, inbox] of inboxes.queues.entries()) {
        const isResident = resident[next] === place;
        if (isResident) next++;
        content.end(inbox, isResident, isStored)?.list.insert(copies.at(place));
      }
    },
  };
}

/** What arrives in a queue, or as many times over as a room has members. */
class ArrivingContent {
  private readonly bytes: number;

  constructor(
    private readonly ledger: Ledger,
    private readonly message: StoredMessage,
    private readonly dueAt: number | undefined,
  ) {
    this.bytes = sizeOf(message);
  }

  /** @returns whether it will be in memory once it is stored. */
  begin(queue: QueueState, seq: number): boolean {
    const { budget, settings } = this.ledger;
    queue.beginArrival(this.bytes, this.dueAt !== undefined);
    if (this.dueAt !== undefined) return false;
    const lane = queue.lane(this.message.priority);
    const resident = lane.open && lane.claimed < settings.laneWindow && !budget.isSpent;
    if (resident) {
      lane.beginReserve();
      budget.take(this.bytes);
    } else {
      lane.beginSpill(seq);
    }
    return resident;
  }

  /** @returns the lane in whose memory it belongs now; undefined: nowhere in memory. */
  end(queue: QueueState, resident: boolean, stored: boolean): Lane | undefined {
    const { ledger, bytes, dueAt } = this;
    queue.endArrival(bytes, dueAt !== undefined, stored);
    if (stored) ledger.lookForExpiryAt(this.message.expiresAt);
    if (dueAt !== undefined) {
      if (!stored) return undefined;
      queue.delay(bytes);
      ledger.lookForDueAt(dueAt);
      return undefined;
    }
    const lane = queue.lane(this.message.priority);
    if (!resident) {
      lane.endSpill(stored ? 1 : 0);
      return undefined;
    }
    lane.endReserve();
    ledger.budget.giveBack(bytes);
    return stored ? lane : undefined;
  }
}

function storedMessage(message: NewMessage, seq: number, queueNo: number, queue: QueueAddress): StoredMessage {
  return {
    seq,
    queueNo,
    queue,
    id: message.id,
    event: message.event,
    payload: message.payload,
    priority: message.priority,
    group: message.group,
    headers: message.headers,
    publisher: message.publisher,
    publishedAt: message.publishedAt,
    expiresAt: message.expiresAt,
    room: undefined,
    body: 0,
    attempts: 0,
    failures: 0,
    lastError: undefined,
  };
}
