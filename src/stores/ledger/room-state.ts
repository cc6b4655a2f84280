import type { RoomAddress } from "../../queue/message";
import type { QueueState } from "./queue-state";

/** An inbox that is in a room, or on its way in. */
interface Member {
  /** Whether the journal has it. */
  stored: boolean;
  /** Requests to join that the journal has not answered yet. */
  joining: number;
  /** Seqs of the messages that it was given before that. */
  given: number[];
}

/** A request to join that is under way. */
interface Joining {
  /** Seqs of messages that the inbox has been given though the journal does not have it: they are not to be replayed. */
  readonly given: readonly number[];
  /** To be called with the journal's answer. */
  end(succeeded: boolean): void;
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
  /** Members that the journal does not have yet. */
  private readonly joiners = new Set<Member>();
  /** What inboxes were given whose join has failed since, until they join. */
  private readonly strays = new Map<QueueState, readonly number[]>();
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
    this.put(inbox, { stored: true, joining: 0, given: [] });
  }

  beginJoin(inbox: QueueState): Joining {
    const member = this.members.get(inbox) ?? this.putJoiner(inbox);
    member.joining++;
    return { given: [...member.given], end: (succeeded) => this.endJoin(inbox, member, succeeded) };
  }

  /** Takes an inbox out, also where it is still on its way in. */
  remove(inbox: QueueState): void {
    const member = this.members.get(inbox);
    if (member) this.joiners.delete(member);
    this.members.delete(inbox);
    this.strays.delete(inbox);
    this.listed = undefined;
  }

  /** A message of this seq is given to all inboxes. */
  noteGiven(seq: number): void {
    for (const { given } of this.joiners) given.push(seq);
  }

  private endJoin(inbox: QueueState, member: Member, succeeded: boolean): void {
    member.joining--;
    member.stored ||= succeeded;
    // It may have left meanwhile, and have joined anew.
    if (this.members.get(inbox) !== member) return;
    if (member.stored) {
      member.given = [];
      this.joiners.delete(member);
      this.strays.delete(inbox);
    } else if (member.joining === 0) {
      this.remove(inbox);
      if (member.given.length > 0) this.strays.set(inbox, member.given);
    }
  }

  private putJoiner(inbox: QueueState): Member {
    const joiner = this.put(inbox, { stored: false, joining: 0, given: [...(this.strays.get(inbox) ?? [])] });
    this.joiners.add(joiner);
    return joiner;
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
