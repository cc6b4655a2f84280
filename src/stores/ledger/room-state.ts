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

/** Inboxes in a fixed order. All messages to a room share them as long as its members stay the same. */
export interface Inboxes {
  readonly queues: readonly QueueState[];
  /** Their numbers, in one piece for the storage thread. */
  readonly numbers: Float64Array;
}

/**
 * A room and the inboxes that its messages go to: those that joined, from the moment they asked. Requests of one inbox
 * may be under way together: of those that succeed, the one that was made last decides.
 */
export class RoomState {
  private readonly members = new Map<QueueState, Member>();
  /** Made when a message asks for it, and kept until somebody comes or goes. */
  private listed: Inboxes | undefined;
  private lastRequest = 0;

  constructor(
    readonly no: number,
    readonly address: RoomAddress,
  ) {}

  /** How many inboxes a message goes to. */
  get size(): number {
    return this.members.size;
  }

  /** The inboxes that a message goes to now. */
  inboxes(): Inboxes {
    return (this.listed ??= listOf([...this.members.keys()]));
  }

  has(inbox: QueueState): boolean {
    return this.members.has(inbox);
  }

  /** Puts in an inbox that the journal has. */
  restore(inbox: QueueState): void {
    this.put(inbox, { stored: true, decidedBy: 0, joining: 0 });
  }

  /** @returns what to call with the journal's answer. */
  beginJoin(inbox: QueueState): (succeeded: boolean) => void {
    const member = this.members.get(inbox) ?? this.put(inbox, { stored: false, decidedBy: 0, joining: 0 });
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
    if (member.stored || member.joining > 0) return;
    this.members.delete(inbox);
    this.listed = undefined;
  }

  private put(inbox: QueueState, member: Member): Member {
    this.members.set(inbox, member);
    this.listed = undefined;
    return member;
  }
}

function listOf(queues: readonly QueueState[]): Inboxes {
  return { queues, numbers: Float64Array.from(queues, ({ no }) => no) };
}
