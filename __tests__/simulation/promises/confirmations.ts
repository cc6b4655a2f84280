import type { PublishMessage, PublishResult } from "../../../src/protocol/wire";
import type { Answer } from "../history";
import type { Book } from "./book";
import type { Ask, Life, Spec } from "./seen";
import type { Rule } from "./rule";

/** A message as it was stored, as far as an answer told. */
interface Stored {
  readonly seq: number;
  /** When it was stored, at the earliest, and in which hub. */
  readonly at: number;
  readonly hub: number;
}

/** What an id's publishes were answered. */
interface Fate {
  readonly stored: Stored[];
  /** Publishes of it that may have been stored: not answered, or answered in a way that leaves it open. */
  open: number;
}

/** Seqs that were confirmed for one queue or room. */
interface Confirmed {
  /** Before this step, and in it. */
  before: number;
  newest: number;
  step: number;
}

/**
 * Once per id: inside the dedup window an id is stored once, and answered with the first one's seq. Seqs grow in the
 * order of confirmation. What was refused was not stored.
 */
export class Confirmations implements Rule {
  private readonly fates = new Map<string, Fate>();
  private readonly targets = new Map<string, Confirmed>();
  private readonly roomSeqs = new Map<string, string>();

  constructor(private readonly book: Book) {}

  asked({ request, argument }: Ask): void {
    if (request !== "publish") return;
    for (const { id = "" } of argument["messages"] as PublishMessage[]) this.fateOf(id).open++;
  }

  answered(ask: Ask, answer: Answer): void {
    if (ask.request !== "publish") return;
    const messages = ask.argument["messages"] as PublishMessage[];
    const results = answer["results"] as PublishResult[] | undefined;
    // Where the store is lost, what is refused may be stored all the same.
    const isRefused = !this.book.storeLost.has(ask.hub);
    for (const [index, { id = "" }] of messages.entries()) {
      const result = results?.[index];
      if (result === undefined || "error" in result) {
        if (isRefused) this.fateOf(id).open--;
      } else {
        this.confirmed(ask, id, result);
      }
    }
  }

  sending(life: Life): void {
    if (life.sends > 0) return;
    const { book } = this;
    const fate = this.fates.get(life.id);
    if (life.spec === undefined || fate === undefined) {
      book.breach("Nothing is made up", `${life.id} was delivered and never published`, life.id);
    } else if (fate.open === 0 && fate.stored.length === 0) {
      book.breach(
        "Confirmed means stored",
        `${life.id} was delivered although every publish of it was refused`,
        life.id,
      );
    }
  }

  private confirmed(ask: Ask, id: string, { seq, status }: Extract<PublishResult, { seq: number }>): void {
    const { book } = this;
    const spec = book.specs.get(id);
    if (spec === undefined) return;
    const fate = this.fateOf(id);
    const first = fate.stored.find((each) => this.isRemembered(each, ask));
    if (first !== undefined && first.seq !== seq) {
      book.breach("Once per id", `${id} was stored as ${first.seq}, and answered "${status}" as ${seq}`, id);
    } else if (first !== undefined && status === "stored") {
      book.breach("Once per id", `${id} was answered "stored" twice`, id);
    }
    if (!fate.stored.some((each) => each.seq === seq)) {
      // Of a duplicate it is only known that one of the publishes before it was stored.
      fate.stored.push(
        status === "stored" ? { seq, at: ask.at, hub: ask.hub } : { seq, at: spec.firstAskedAt, hub: spec.hub },
      );
    }
    if (status === "stored") this.checkOrder(spec, seq);
    this.noteLife(spec, seq);
  }

  /** Whether an id that was stored is still in the dedup window, whichever way the clock was set meanwhile. */
  private isRemembered(first: Stored, again: Ask): boolean {
    const { dedupWindowMs } = this.book.terms;
    // A start of the hub takes the time of day as it is then.
    if (this.book.clockSteps.length > 0 && again.hub !== first.hub) return false;
    return this.book.at - first.at < dedupWindowMs && again.at >= first.at;
  }

  private checkOrder({ id, target }: Spec, seq: number): void {
    const { book } = this;
    const confirmed = this.targets.get(target) ?? { before: 0, newest: 0, step: -1 };
    this.targets.set(target, confirmed);
    if (confirmed.step !== book.step) {
      confirmed.before = confirmed.newest;
      confirmed.step = book.step;
    }
    if (seq <= confirmed.before) {
      book.breach("Order", `${target} confirmed ${id} as ${seq} after it had confirmed ${confirmed.before}`, id);
    }
    confirmed.newest = Math.max(confirmed.newest, seq);
  }

  private noteLife({ id, target }: Spec, seq: number): void {
    const { book } = this;
    if (target.startsWith("room:")) {
      const key = `${target} ${seq}`;
      const known = this.roomSeqs.get(key) ?? id;
      if (known !== id) book.breach("Order", `${target} has given seq ${seq} to ${known} and to ${id}`, id);
      this.roomSeqs.set(key, id);
      return;
    }
    book.life(target, seq, id).confirmed = true;
  }

  private fateOf(id: string): Fate {
    const fate = this.fates.get(id) ?? { stored: [], open: 0 };
    this.fates.set(id, fate);
    return fate;
  }
}
