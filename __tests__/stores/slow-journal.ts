import type { Clock } from "../../src/queue/clock";
import { WaybillError } from "../../src/protocol/errors";
import type { Journal, Snapshot } from "../../src/stores/ledger/journal";
import { MemoryJournal, type MemoryJournalSettings } from "../../src/stores/memory";

/** A journal whose answers wait for the test, and whose calls fail while the test says so. Calls are carried out in order. */
export class SlowJournal implements Journal {
  readonly durability = "memory";
  /** Calls that are made now are refused, and change nothing. */
  failing = false;
  /** Answers to calls that are made now wait for `answer`. */
  holding = false;
  private readonly inner: MemoryJournal;
  private readonly held: (() => void)[] = [];
  private onHeld = (): void => {};
  /** What stands, and was refused: it goes before the next call. */
  private owed: (() => Promise<void>)[] = [];

  constructor(settings: Partial<MemoryJournalSettings> = {}, clock?: Pick<Clock, "now" | "steady">) {
    const byDefault = {
      dedupWindowMs: 60_000,
      dedupMaxIds: 10_000,
      historyMessages: 20,
      historyMs: 3_600_000,
      maxEndings: 1_000,
    };
    this.inner = new MemoryJournal({ ...byDefault, ...settings }, clock);
  }

  /** Lets answers go by themselves, one in each turn of the event loop. */
  answerInTurn(): void {
    this.holding = true;
    this.onHeld = () => void setImmediate(() => this.held.shift()?.());
  }

  /** Lets the oldest answers go, one after the other, and what follows from each. */
  async answer(count = Infinity): Promise<void> {
    for (let left = count; left > 0; left--) {
      const answer = this.held.shift();
      if (answer === undefined) return;
      answer();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  load = (): Promise<Snapshot> => this.inner.load();
  addQueue: Journal["addQueue"] = (no, address) => this.inner.addQueue(no, address);
  append: Journal["append"] = (...given) => this.pass(() => this.inner.append(...given));
  firstSeqs: Journal["firstSeqs"] = (ids) => this.pass(() => this.inner.firstSeqs(ids));
  change: Journal["change"] = (...given) => this.pass(() => this.inner.change(...given));
  page: Journal["page"] = (queueNo, priority, afterSeq, limit) =>
    this.pass(() => this.inner.page(queueNo, priority, afterSeq, limit));
  due: Journal["due"] = (...given) => this.pass(() => this.inner.due(...given));
  expired: Journal["expired"] = (...given) => this.pass(() => this.inner.expired(...given));
  join: Journal["join"] = (...given) => this.pass(() => this.inner.join(...given));
  leave: Journal["leave"] = (...given) => this.passStanding(() => this.inner.leave(...given));
  fetch: Journal["fetch"] = (seqs) => this.pass(() => this.inner.fetch(seqs));
  moveDeadlines: Journal["moveDeadlines"] = (...given) => this.passStanding(() => this.inner.moveDeadlines(...given));
  find: Journal["find"] = (...given) => this.pass(() => this.inner.find(...given));
  endings: Journal["endings"] = (...given) => this.pass(() => this.inner.endings(...given));
  deadLetters: Journal["deadLetters"] = (...given) => this.pass(() => this.inner.deadLetters(...given));
  redrive: Journal["redrive"] = (...given) => this.pass(() => this.inner.redrive(...given));
  purge: Journal["purge"] = (...given) => this.pass(() => this.inner.purge(...given));
  purgeOldest: Journal["purgeOldest"] = (...given) => this.pass(() => this.inner.purgeOldest(...given));
  probe = (): Promise<void> => this.pass(() => this.inner.probe());
  close = (): Promise<void> => this.inner.close();

  private passStanding(carryOut: () => Promise<void>): Promise<void> {
    this.owed.push(carryOut);
    return this.pass(() => Promise.resolve());
  }

  private async payOwed(): Promise<void> {
    for (const carryOut of this.owed.splice(0)) await carryOut();
  }

  private pass<Result>(carryOut: () => Promise<Result>): Promise<Result> {
    const outcome = this.failing
      ? Promise.reject<Result>(new WaybillError("STORE_UNAVAILABLE", "The disk is on fire."))
      : this.owed.length === 0
        ? carryOut()
        : this.payOwed().then(carryOut);
    if (!this.holding) return outcome;
    outcome.catch(() => {});
    return new Promise((resolve) => {
      this.held.push(() => resolve(outcome));
      this.onHeld();
    });
  }
}
