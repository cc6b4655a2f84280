import type { Answer } from "../history";
import type { Book } from "./book";
import type { Ask, Life } from "./seen";
import type { Rule } from "./rule";

/** A session that is resumed keeps what it holds: with the first consume of a queue all of that is sent once more. */
export class Resumption implements Rule {
  private readonly consumed = new Set<string>();
  /** What is to be sent before the answer. */
  private readonly due = new Map<Ask, readonly Life[]>();

  constructor(private readonly book: Book) {}

  asked(ask: Ask): void {
    if (ask.request !== "consume") return;
    const { argument, connection } = ask;
    const key = `${connection.no} ${String(argument["queue"])}`;
    if (this.consumed.has(key)) return;
    this.consumed.add(key);
    const lives = [...this.book.livesIn(String(argument["queue"])).values()];
    this.due.set(
      ask,
      lives.filter((life) => life.hold?.session === connection.session && this.isHeld(life)),
    );
  }

  answered(ask: Ask, { ok }: Answer): void {
    const due = this.due.get(ask) ?? [];
    this.due.delete(ask);
    if (!ok) return;
    const { no } = ask.connection;
    for (const life of due) {
      if (life.sentTo === no || !this.isHeld(life)) continue;
      const what = `${life.id}/${life.hold?.attempt} is held by the session of #${no}, and was not sent once more`;
      this.book.breach("A session survives a cut", what, life.id);
    }
  }

  private isHeld({ hold }: Life): boolean {
    return hold !== undefined && !hold.revoked && this.book.whyOver(hold) === undefined;
  }
}
