import type { Copies, StoredMessage } from "./journal";
import type { Inboxes } from "./room-state";

/**
 * The copies of a room's message, one for each inbox. Most of them wait on disk, where they are no more than a number:
 * a copy becomes a message in memory when somebody asks for it.
 */
export class RoomCopies implements Copies {
  private readonly messages = new Map<number, StoredMessage>();

  /**
   * @param message the room's own; its seq goes before those of the copies.
   * @param room its name.
   * @param resident which copies, by their place, may be leased as soon as they are written.
   */
  constructor(
    private readonly message: StoredMessage,
    private readonly room: string,
    private readonly inboxes: Inboxes,
    readonly resident: readonly number[],
  ) {}

  get count(): number {
    return this.inboxes.queues.length;
  }

  get inboxNumbers(): Float64Array {
    return this.inboxes.numbers;
  }

  seqAt(place: number): number {
    return this.message.seq + 1 + place;
  }

  at(place: number): StoredMessage {
    let message = this.messages.get(place);
    if (message === undefined) {
      message = this.make(place);
      this.messages.set(place, message);
    }
    return message;
  }

  made(): Iterable<StoredMessage> {
    return this.messages.values();
  }

  private make(place: number): StoredMessage {
    const { message, room } = this;
    const inbox = this.inboxes.queues[place];
    if (inbox === undefined) throw new Error(`a room's message has ${this.count} copies, and none at ${place}`);
    return { ...message, seq: this.seqAt(place), queueNo: inbox.no, queue: inbox.address, room, body: message.seq };
  }
}
