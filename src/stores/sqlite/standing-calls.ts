import { needsRoom, type Call } from "./calls";

/**
 * Calls that others count on as soon as they are made, and whose commit failed: they are carried out before anything else is
 * written, or, where a full disk has no room for that, before anything new is stored.
 */
export class StandingCalls {
  private owed: readonly Call[] = [];

  /** @returns those that go before these, some of which may be theirs. On a full disk only what needs little room does. */
  before(calls: readonly Call[], withRoom: boolean): readonly Call[] {
    return this.owed.filter((call) => !calls.includes(call) && (withRoom || !needsRoom(call)));
  }

  /** The commit of these failed. */
  keep(calls: readonly Call[]): void {
    for (const call of calls) {
      if (stands(call) && !this.owed.some((other) => isSame(call, other))) this.owed = [...this.owed, call];
    }
  }

  /** These were committed. */
  settle(calls: readonly Call[]): void {
    if (this.owed.length > 0) this.owed = this.owed.filter((call) => !calls.includes(call));
  }
}

/** Others count on a queue's number, on being after a step of the clock, on an inbox being out of a room. */
function stands(call: Call): boolean {
  if (call.kind === "move") return call.argument.byMs !== 0;
  return call.kind === "queue" || call.kind === "leave";
}

/** Who is not answered asks again. */
function isSame(call: Call, other: Call): boolean {
  if (call.kind !== "leave" || other.kind !== "leave") return call === other;
  return call.argument.roomNo === other.argument.roomNo && call.argument.inboxNo === other.argument.inboxNo;
}
