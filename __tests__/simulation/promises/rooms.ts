import type { PublishMessage, PublishResult } from "../../../src/protocol/wire";
import type { Answer, QueueAtEnd } from "../history";
import type { Book } from "./book";
import type { Ask } from "./seen";
import type { Rule } from "./rule";

/** A message that a room has confirmed. */
interface Posted {
  readonly id: string;
  readonly seq: number;
  readonly asked: Ask;
  readonly answeredAt: number;
  /** By which ask it was stored is not known: its first answer was lost. */
  readonly isDuplicate: boolean;
}

/** Requests of one inbox about one room, in the order in which they came in. */
interface Membership {
  readonly inbox: string;
  readonly room: string;
  readonly moves: { readonly ask: Ask; answeredAt: number; ok: boolean }[];
}

/**
 * A room's message goes into the inbox of everyone who was a member for sure as it was confirmed, once; a join that
 * looks back finds what the history holds.
 */
export class Rooms implements Rule {
  private readonly posted = new Map<string, Posted[]>();
  private readonly memberships = new Map<string, Membership>();

  constructor(private readonly book: Book) {}

  asked(ask: Ask): void {
    if (ask.request === "join" || ask.request === "leave") {
      this.membershipOf(ask).moves.push({ ask, answeredAt: Infinity, ok: false });
    }
  }

  answered(ask: Ask, answer: Answer): void {
    if (ask.request === "publish") {
      this.publishAnswered(ask, answer);
      return;
    }
    if (ask.request !== "join" && ask.request !== "leave") return;
    const move = this.membershipOf(ask).moves.find((each) => each.ask === ask);
    if (move === undefined) return;
    move.answeredAt = this.book.at;
    move.ok = answer.ok;
  }

  over(queues: readonly QueueAtEnd[]): void {
    for (const membership of this.memberships.values()) {
      const dead = new Set(queues.find(({ queue }) => queue === membership.inbox)?.dead.map(({ id }) => id));
      for (const posted of this.posted.get(membership.room) ?? []) {
        const why = this.whyDue(membership, posted);
        if (why !== undefined) this.checkCopy(membership, posted, why, dead);
        this.checkDoubles(membership, posted);
      }
    }
  }

  private publishAnswered(ask: Ask, answer: Answer): void {
    const results = answer["results"] as PublishResult[] | undefined;
    for (const [index, { id = "", room }] of (ask.argument["messages"] as PublishMessage[]).entries()) {
      const result = results?.[index];
      if (room === undefined || result === undefined || "error" in result) continue;
      const posted = this.posted.get(room) ?? [];
      this.posted.set(room, posted);
      if (posted.some((each) => each.seq === result.seq)) continue;
      const isDuplicate = result.status === "duplicate";
      posted.push({ id, seq: result.seq, asked: ask, answeredAt: this.book.at, isDuplicate });
    }
  }

  /** Why a message has to be in the inbox; undefined: it need not be. */
  private whyDue({ moves }: Membership, posted: Posted): string | undefined {
    if (!posted.isDuplicate) {
      const isMember = moves.some(
        (move, index) =>
          isJoin(move.ask) &&
          move.ok &&
          move.answeredAt < posted.asked.at &&
          !moves.slice(index + 1).some(({ ask }) => !isJoin(ask) && ask.at <= posted.answeredAt) &&
          // A leave that came in before it may be carried out after it only by the same hub.
          !moves.slice(0, index).some((each) => !isJoin(each.ask) && each.answeredAt > move.ask.at && each.ok),
      );
      if (isMember) return "it was a member";
    }
    const looked = moves.some(({ ask, ok }) => ok && isJoin(ask) && this.reachesBack(ask, posted));
    return looked ? "its join looked back that far" : undefined;
  }

  private reachesBack({ at, argument }: Ask, posted: Posted): boolean {
    const { since } = argument;
    if (since === undefined || posted.answeredAt >= at) return false;
    const count = this.posted.get(String(argument["room"]))?.length ?? 0;
    if (count > this.book.terms.historyMessages) return false;
    if (since === "all") return true;
    if (typeof since === "number") return posted.seq > since;
    if (posted.isDuplicate || this.book.wasSetBefore(posted.asked.at)) return false;
    return posted.asked.wall >= Date.parse(since as string) + UNFOLLOWED_MS;
  }

  private checkCopy({ inbox, room }: Membership, { id }: Posted, why: string, dead: ReadonlySet<string>): void {
    const { book } = this;
    if (book.mayBeExpired({ spec: book.specs.get(id) })) return;
    const copies = book.livesOf(inbox, id);
    // Where the oldest make room, one may have gone without a word but the count.
    if (book.terms.rulesOf(inbox).overflow === "drop-oldest") return;
    if (dead.has(id) || copies.some((life) => book.mayHaveEnded(life))) return;
    book.breach("Nothing vanishes", `${id} of room ${room} never came to ${inbox}, and ${why}`, id);
  }

  private checkDoubles({ inbox, room, moves }: Membership, { id }: Posted): void {
    const { book } = this;
    const copies = book.livesOf(inbox, id);
    const hasLeft = moves.some(({ ask }) => !isJoin(ask));
    const isStoredOnce = this.posted.get(room)?.filter((each) => each.id === id).length === 1;
    const spanMs = copies.length < 2 ? 0 : book.at;
    if (copies.length < 2 || hasLeft || !isStoredOnce || spanMs >= book.terms.dedupWindowMs) return;
    if (book.clockSteps.length > 0) return;
    book.breach(
      "Once per id",
      `${id} of room ${room} came to ${inbox} as ${copies.map(({ seq }) => seq).join(", ")}`,
      id,
    );
  }

  private membershipOf({ argument, connection }: Ask): Membership {
    const room = String(argument["room"]);
    const inbox = `@${connection.session.client}`;
    const key = `${inbox} ${room}`;
    const membership = this.memberships.get(key) ?? { inbox, room, moves: [] };
    this.memberships.set(key, membership);
    return membership;
  }
}

/** By so much the hub's clock may be off for good. */
const UNFOLLOWED_MS = 1_000;

function isJoin({ request }: Ask): boolean {
  return request === "join";
}
