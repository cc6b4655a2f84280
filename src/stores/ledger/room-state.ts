import type { RoomAddress } from "../../queue/message";
import type { QueueState } from "./queue-state";

/** An inbox that is in a room, or on its way in. */
interface Member {
  /** Whether the journal has it, as far as answered, and which request decided that. */
  stored: boolean;
  decidedBy: number;
  /** Requests to join that the journal has not answered yet. */
  joining: number;
}

/**
 * A room and the inboxes that its messages go to: those that joined, from the moment they asked. Requests of one inbox
 * may be under way together: of those that succeed, the one that was made last decides.
 */
export class RoomState {
  private readonly members = new Map<QueueState, Member>();
  private lastRequest = 0;

  constructor(
    readonly no: number,
    readonly address: RoomAddress,
  ) {}

  /** How many inboxes a message goes to. */
  get size(): number {
    return this.members.size;
  }

  inboxes(): Iterable<QueueState> {
    return this.members.keys();
  }

  has(inbox: QueueState): boolean {
    return this.members.has(inbox);
  }

  /** Puts in an inbox that the journal has. */
  restore(inbox: QueueState): void {
    this.members.set(inbox, { stored: true, decidedBy: 0, joining: 0 });
  }

  /** @returns what to call with the journal's answer. */
  beginJoin(inbox: QueueState): (succeeded: boolean) => void {
    const member = this.members.get(inbox) ?? { stored: false, decidedBy: 0, joining: 0 };
    this.members.set(inbox, member);
    member.joining++;
    const request = ++this.lastRequest;
    return (succeeded) => {
      member.joining--;
      this.decide(inbox, member, request, succeeded ? true : undefined);
    };
  }

  /** @returns what to call when the journal has done it. */
  beginLeave(inbox: QueueState): () => void {
    const request = ++this.lastRequest;
    return () => {
      const member = this.members.get(inbox);
      if (member) this.decide(inbox, member, request, false);
    };
  }

  private decide(inbox: QueueState, member: Member, request: number, stored: boolean | undefined): void {
    if (stored !== undefined && request > member.decidedBy) {
      member.stored = stored;
      member.decidedBy = request;
    }
    if (!member.stored && member.joining === 0) this.members.delete(inbox);
  }
}
