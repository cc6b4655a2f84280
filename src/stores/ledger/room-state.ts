import type { RoomAddress } from "../../queue/message";
import type { QueueState } from "./queue-state";

/** An inbox that is in a room, or on its way in. */
interface Member {
  /** Whether the journal has it. */
  stored: boolean;
  /** Requests to join that the journal has not answered yet. */
  joining: number;
}

/** Inboxes in a fixed order. All messages to a room share them as long as its members stay the same. */
export interface Inboxes {
  readonly queues: readonly QueueState[];
  /** Their numbers, in one piece for the storage thread. */
  readonly numbers: Float64Array;
}

/** A room and the inboxes that its messages go to: those that joined, from the moment they asked until they ask to leave. */
export class RoomState {
  private readonly members = new Map<QueueState, Member>();
  /** Made when a message asks for it, and kept until somebody comes or goes. */
  private listed: Inboxes | undefined;

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

  /** Puts in an inbox that the journal has. */
  restore(inbox: QueueState): void {
    this.put(inbox, { stored: true, joining: 0 });
  }

  /** @returns what to call with the journal's answer. */
  beginJoin(inbox: QueueState): (succeeded: boolean) => void {
    const member = this.members.get(inbox) ?? this.put(inbox, { stored: false, joining: 0 });
    member.joining++;
    return (succeeded) => {
      member.joining--;
      member.stored ||= succeeded;
      // It may have left meanwhile, and have joined anew.
      if (!member.stored && member.joining === 0 && this.members.get(inbox) === member) this.remove(inbox);
    };
  }

  /** Takes an inbox out, also where it is still on its way in. */
  remove(inbox: QueueState): void {
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
