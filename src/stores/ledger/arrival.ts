import {
  dedupIdOf,
  roomNameOf,
  sizeOf,
  type NewMessage,
  type QueueAddress,
  type RoomAddress,
} from "../../queue/message";
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
  return new QueueArrival(ledger, storedMessage(message, ++ledger.lastSeq, queue.no, queue.address), message, queue);
}

/** One object, and not several, for each message that is published. */
class QueueArrival implements Arrival, AppendRow {
  readonly dueAt: number | undefined;
  readonly isDueFixed: boolean;
  readonly resident: boolean;
  readonly dedupId: string | undefined;
  private readonly bytes: number;

  constructor(
    private readonly ledger: Ledger,
    readonly message: StoredMessage,
    published: NewMessage,
    private readonly queue: QueueState,
  ) {
    this.dueAt = published.dueAt;
    this.isDueFixed = published.isDueFixed;
    this.dedupId = dedupIdOf(published);
    this.bytes = sizeOf(message);
    this.resident = begin(ledger, queue, message, this.dueAt, this.bytes, message.seq);
  }

  get row(): AppendRow {
    return this;
  }

  get queues(): readonly QueueState[] {
    return [this.queue];
  }

  end(stored: boolean): void {
    const { ledger, queue, message, dueAt, bytes } = this;
    end(ledger, queue, message, dueAt, bytes, this.resident, stored)?.list.insert(message);
  }
}

/** Gives a message its places in the inboxes of a room's members. */
export function arriveInRoom(ledger: Ledger, message: NewMessage, room: RoomState): Arrival {
  const stored = storedMessage(message, ++ledger.lastSeq, room.no, room.address as unknown as QueueAddress);
  const { dueAt, isDueFixed } = message;
  const bytes = sizeOf(stored);
  const inboxes = room.inboxes();
  const resident: number[] = [];
  const copies = new RoomCopies(stored, roomNameOf(message.target as RoomAddress), inboxes, resident);
  for (const [place, inbox] of inboxes.queues.entries()) {
    if (begin(ledger, inbox, stored, dueAt, bytes, copies.seqAt(place))) resident.push(place);
  }
  ledger.lastSeq += copies.count;
  room.noteGiven(stored.seq);
  return {
    row: { message: stored, dueAt, isDueFixed, dedupId: dedupIdOf(message), copies },
    queues: inboxes.queues,
    end: (isStored) => {
      let next = 0;
      for (const [place, inbox] of inboxes.queues.entries()) {
        const isResident = resident[next] === place;
        if (isResident) next++;
        end(ledger, inbox, stored, dueAt, bytes, isResident, isStored)?.list.insert(copies.at(place));
      }
    },
  };
}

/** Counts a message, or a copy of it, as on its way to a queue. @returns whether it will be in memory once it is stored. */
function begin(
  { budget, settings }: Ledger,
  queue: QueueState,
  message: StoredMessage,
  dueAt: number | undefined,
  bytes: number,
  seq: number,
): boolean {
  queue.beginArrival(bytes, dueAt !== undefined);
  if (dueAt !== undefined) return false;
  const lane = queue.lane(message.priority);
  const resident = lane.open && lane.claimed < settings.laneWindow && !budget.isSpent;
  if (resident) {
    lane.beginReserve();
    budget.take(bytes);
  } else {
    lane.beginSpill(seq);
  }
  return resident;
}

/** Counts it as there, or not. @returns the lane in whose memory it belongs now; undefined: nowhere in memory. */
function end(
  ledger: Ledger,
  queue: QueueState,
  message: StoredMessage,
  dueAt: number | undefined,
  bytes: number,
  resident: boolean,
  stored: boolean,
): Lane | undefined {
  queue.endArrival(bytes, dueAt !== undefined, stored);
  if (stored) ledger.lookForExpiryAt(message.expiresAt);
  if (dueAt !== undefined) {
    if (!stored) return undefined;
    queue.delay(bytes);
    ledger.lookForDueAt(dueAt);
    return undefined;
  }
  const lane = queue.lane(message.priority);
  if (!resident) {
    lane.endSpill(stored ? 1 : 0);
    return undefined;
  }
  lane.endReserve();
  ledger.budget.giveBack(bytes);
  return stored ? lane : undefined;
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
