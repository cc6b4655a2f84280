import type { Clock } from "../../queue/clock";

/** What has come for one call. */
export interface Reply {
  /** Copies of rooms' messages that the call carried. */
  readonly copies: number;
  /** Tells who made the call. */
  readonly tell: () => void;
}

/** Copies of rooms' messages that are answered in one turn of the event loop: a few milliseconds' work for the ledger. */
const COPIES_IN_A_TURN = 4_096;

/** Hands replies out, in order. What many copies bring with them is spread over turns, so that others have theirs. */
export class Replies {
  /** That nobody was told yet. */
  private readonly arrived: Reply[] = [];
  /** Enough was told in this turn. */
  private isResting = false;

  constructor(private readonly clock: Pick<Clock, "soon">) {}

  add(reply: Reply): void {
    this.arrived.push(reply);
  }

  /** Hands out what may be told in this turn; the rest follows by itself. */
  handOut(): void {
    if (this.isResting) return;
    let copies = 0;
    let told = 0;
    for (let next = this.arrived[0]; next && copies < COPIES_IN_A_TURN; next = this.arrived[++told]) {
      copies += next.copies;
      next.tell();
    }
    this.arrived.splice(0, told);
    if (copies < COPIES_IN_A_TURN) return;
    this.isResting = true;
    this.clock.soon(() => {
      this.isResting = false;
      this.handOut();
    });
  }
}
