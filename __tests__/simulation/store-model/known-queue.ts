import type { DeadLetter, DeadSelection, Delivery, NewMessage, QueueAddress } from "../../../src/queue/message";
import type { QueueRules } from "../../../src/queue/queue-rules";
import type { QueueStats, Settlement } from "../../../src/queue/store";
import { check } from "./check";
import { isExpired, isSelected, knownMessage, type KnownMessage } from "./known-message";
import { KnownTurns } from "./known-turns";

/** How the commands run that are under way, and so what can be said of their outcome. */
export interface Course {
  /** Nobody can say which of them came first. */
  readonly together: boolean;
  readonly now: number;
}

/** A queue as the model knows it. */
export class KnownQueue {
  private readonly messages: KnownMessage[] = [];
  /** Given out before their publisher had the answer, where commands run together. */
  private readonly early: KnownMessage[] = [];
  private readonly turns = new KnownTurns();
  private expired = 0;
  private purged = 0;
  /** A write was refused, so that what is to go may still be there. */
  private mayHoldTooMuch = false;
  /** When the store was last asked for its dead letters, and those that died since, with when that was at the earliest. */
  private learnedAt = 0;
  private readonly unseen = new Map<KnownMessage, number>();

  constructor(
    readonly address: QueueAddress,
    readonly rules: QueueRules,
  ) {}

  get all(): readonly KnownMessage[] {
    return this.messages;
  }

  in(...states: readonly KnownMessage["state"][]): KnownMessage[] {
    return this.messages.filter(({ state }) => states.includes(state));
  }

  get unended(): KnownMessage[] {
    return this.in("ready", "delayed", "leased");
  }

  /** A publish was confirmed, or history came in. */
  add(message: NewMessage, seq: number | undefined): void {
    const known = knownMessage(this.address, message, seq);
    const at = this.early.findIndex((each) => each.id === known.id && each.seq === (seq ?? each.seq));
    const [early] = at < 0 ? [] : this.early.splice(at, 1);
    if (early === undefined) {
      this.messages.push(known);
      return;
    }
    const { state, attempt, holder, deadline, failures, lastError } = early;
    this.messages.push({
      ...known,
      seq: early.seq,
      inOrder: false,
      state,
      attempt,
      holder,
      deadline,
      failures,
      lastError,
    });
  }

  /**
   * @param before how many it held when the first of the batch came, of which `index` were planned since.
   * @param isDelayed whether those of the batch are to be delayed: they could not go to make room.
   */
  checkRefused(id: string, before: Occupancy, index: number, isDelayed: boolean): void {
    const { maxMessages, overflow } = this.rules;
    check(before.total + index >= maxMessages, `${id} was refused by a queue of ${before.total + index}`);
    // What has expired, and may be gone, counts against it all the same.
    const held = before.total - before.ready + (isDelayed ? index : 0);
    check(overflow === "reject" || held >= maxMessages, `${id} was refused although others could go`);
  }

  /** Whether it takes one more in any case. */
  hasRoomFor(before: Occupancy, index: number): boolean {
    return before.total + index < this.rules.maxMessages;
  }

  checkTaken(id: string, before: Occupancy, index: number, isDelayed: boolean): void {
    const { maxMessages, overflow } = this.rules;
    const held = overflow === "reject" ? before.alive + index : before.held + (isDelayed ? index : 0);
    check(held < maxMessages, `${id} was taken by a queue of ${held}`);
  }

  /** What it holds, without what has expired and may be gone. */
  occupancy(now: number): Occupancy {
    const alive = this.unended.filter((known) => known.state === "leased" || !isExpired(known, now));
    const ready = alive.filter(({ state }) => state === "ready").length;
    const total = this.unended.length;
    return { total, alive: alive.length, ready, held: alive.length - ready };
  }

  /** A delivery was given out. */
  give({ message, attempt, holder, deadline }: Delivery, course: Course): void {
    const { id, seq } = message;
    const name = `${this.address} ${id}#${seq}@${attempt}`;
    const ofId = this.messages.filter((known) => known.id === id);
    const unnamed = ofId.filter((each) => each.seq === undefined);
    const ready = unnamed.filter(({ state }) => state === "ready");
    const known =
      ofId.find((each) => each.seq === seq) ??
      ready.find(({ expiresAt }) => expiresAt === message.expiresAt) ??
      ready[0] ??
      unnamed[0];
    if (known === undefined) {
      check(course.together, `${name} was never stored`);
      const asPublished = { ...message, target: this.address, dueAt: undefined, isDueFixed: false };
      const early = knownMessage(this.address, asPublished, seq);
      this.early.push({ ...early, state: "leased", attempt, holder, deadline });
      return;
    }
    known.seq = seq;
    check(known.state !== "ended" && known.state !== "dead", `${name} had ended`);
    check(attempt > known.attempt, `${name} was given out as ${known.attempt} before`);
    check(!isExpired(known, course.now), `${name} had expired`);
    for (const other of ofId) {
      check(other.state !== "leased" || other.leaving > 0, `${name}: its id is out already, as ${other.attempt}`);
    }
    this.checkGroup(known, name, course.now);
    if (!course.together) {
      this.turns.take(known, this.messages, name, course.now);
      check(message.expiresAt === known.expiresAt, `${name} expires at ${message.expiresAt}, not ${known.expiresAt}`);
      check(message.failures === known.failures, `${name} failed ${message.failures} times, not ${known.failures}`);
      check(message.lastError === known.lastError, `${name} failed as ${message.lastError}, not ${known.lastError}`);
    }
    Object.assign(known, { state: "leased", attempt, holder, deadline });
  }

  private checkGroup(known: KnownMessage, name: string, now: number): void {
    if (known.group === undefined) return;
    for (const other of this.messages) {
      if (other === known || other.group !== known.group || other.leaving > 0) continue;
      check(other.state !== "leased", `${name}: ${other.id} of its group is out`);
      const isTriedAgain = other.state === "delayed" && other.holdsGroup && !isExpired(other, now);
      check(!isTriedAgain, `${name}: ${other.id} of its group waits to be tried again`);
    }
  }

  /** A delivery was settled, which was given out as this attempt. */
  settle(known: KnownMessage, settlement: Settlement, attempt: number): void {
    // Where commands run together, it may be out again before the settler has the answer.
    const isOutAgain = known.attempt > attempt;
    switch (settlement.action) {
      case "extend":
        if (!isOutAgain) known.deadline = settlement.deadline;
        return;
      case "retry":
        known.failures++;
        known.lastError = settlement.error;
        if (isOutAgain) return;
        known.dueAt = settlement.dueAt;
        known.isDueFixed = false;
        known.state = settlement.dueAt === undefined ? "ready" : "delayed";
        known.holdsGroup = true;
        return;
      case "dead":
        check(!isOutAgain, `${known.id} was given out after its end`);
        known.failures++;
        known.lastError = settlement.error;
        known.state = "dead";
        known.reason = settlement.reason;
        this.unseen.set(known, this.learnedAt);
        return;
      case "ack":
        check(!isOutAgain, `${known.id} was given out after its end`);
        this.end(known, "acked");
    }
  }

  /** What is due by now is ready. */
  makeDueReady(now: number): void {
    // What was delayed when there came to be too many could not go: the next message finds more.
    if (this.isStuckOverfull(now)) this.mayHoldTooMuch = true;
    for (const known of this.in("delayed")) {
      if ((known.dueAt ?? 0) > now) continue;
      known.state = "ready";
      known.isDueFixed = false;
    }
  }

  /** What has expired by now has ended, but for what is out. */
  endExpired(now: number): void {
    for (const known of this.in("ready", "delayed")) {
      if (!isExpired(known, now)) continue;
      this.expired++;
      if (!this.rules.deadLetterExpired) {
        this.end(known, "expired");
        continue;
      }
      Object.assign(known, { state: "dead", reason: "expired", expiresAt: undefined });
      this.unseen.set(known, this.learnedAt);
    }
  }

  /**
   * Learns from the store which messages it has made dead letters of, and which of these it has purged.
   *
   * @param isExact nothing but one publish has happened since the last time, of a queue that drops its oldest.
   */
  learnDead(letters: readonly DeadLetter[], now: number, isExact: boolean): void {
    const listed = new Set<KnownMessage>();
    const dropped: KnownMessage[] = [];
    for (const letter of letters) {
      const known = this.findDead(letter, now);
      listed.add(known);
      if (known.state === "ready" && letter.reason === "overflow") dropped.push(known);
      this.learnLetter(known, letter, now);
    }
    if (isExact) this.checkDropped(dropped, now);
    const { maxDeadLetters } = this.rules;
    for (const gone of this.in("dead")) {
      if (listed.has(gone)) continue;
      const isOldest = letters.every((letter) => this.diedBefore(gone, letter));
      check(isOldest && letters.length >= maxDeadLetters, `${this.address}: the dead letter ${gone.id} is missing`);
      this.end(gone, "purged");
      this.purged++;
    }
    this.learnedAt = now;
    // What could have made room was given out meanwhile: the next message finds more.
    if (this.isStuckOverfull(now)) this.mayHoldTooMuch = true;
    const isWithin = letters.length <= maxDeadLetters && !this.isOverfull(now);
    check(isWithin || this.mayHoldTooMuch, `${this.address} holds more than it may`);
    if (isWithin) this.mayHoldTooMuch = false;
  }

  private isOverfull(now: number): boolean {
    // A queue that refuses takes history whole, once there is room for one message of it.
    const { maxMessages, overflow } = this.rules;
    return overflow === "drop-oldest" && this.occupancy(now).alive > maxMessages;
  }

  /** Whether it holds more than it may, and nothing that could go. */
  private isStuckOverfull(now: number): boolean {
    return this.isOverfull(now) && this.occupancy(now).ready === 0;
  }

  /** Whether a dead letter died before another one, as far as is known. */
  private diedBefore(gone: KnownMessage, { diedAt, message }: DeadLetter): boolean {
    const earliest = this.unseen.get(gone);
    if (earliest !== undefined) return earliest <= diedAt;
    return gone.diedAt < diedAt || (gone.diedAt === diedAt && (gone.seq ?? 0) < message.seq);
  }

  private findDead({ message: { id, seq }, reason }: DeadLetter, now: number): KnownMessage {
    const ofId = this.messages.filter((known) => known.id === id && known.state !== "ended");
    const unnamed = ofId.filter((known) => known.seq === undefined);
    const known =
      ofId.find((each) => each.seq === seq) ??
      unnamed.find(({ state }) => state === "dead") ??
      unnamed.find((each) => reason !== "expired" || isExpired(each, now));
    if (known === undefined) throw new Error(`${this.address}: nobody knows the dead letter ${id}#${seq}`);
    known.seq = seq;
    return known;
  }

  private learnLetter(known: KnownMessage, letter: DeadLetter, now: number): void {
    const { reason, diedAt, message } = letter;
    const name = `${this.address}: the dead letter ${known.id}#${known.seq}`;
    if (known.state === "dead") {
      check(known.reason === reason, `${name} is one for being ${reason}, not ${known.reason}`);
    } else if (reason === "overflow") {
      // What was delayed and found due together may be known as delayed still.
      const isReady = known.state === "ready" || (known.state === "delayed" && (known.dueAt ?? Infinity) <= now);
      check(this.rules.overflow === "drop-oldest" && isReady, `${name} was dropped while ${known.state}`);
    } else {
      check(reason === "expired" && this.rules.deadLetterExpired && isExpired(known, now), `${name} came unawares`);
      this.expired++;
    }
    check(message.lastError === known.lastError, `${name} failed as ${message.lastError}, not ${known.lastError}`);
    check(message.failures === known.failures, `${name} failed ${message.failures} times, not ${known.failures}`);
    Object.assign(known, { state: "dead", reason, diedAt, expiresAt: undefined });
    this.unseen.delete(known);
  }

  /** Of a queue that drops its oldest: just enough went, and the oldest of those that were free to go. */
  private checkDropped(dropped: readonly KnownMessage[], now: number): void {
    if (dropped.length === 0) return;
    const { length } = this.unended;
    check(length >= this.rules.maxMessages, `${this.address} dropped ${dropped.length} and holds ${length}`);
    const out = new Set(this.in("leased").map(({ id }) => id));
    for (const known of this.in("ready")) {
      if (known.group !== undefined || out.has(known.id) || isExpired(known, now)) continue;
      const younger = dropped.find((each) => (each.seq ?? 0) > (known.seq ?? Infinity));
      check(
        younger === undefined,
        `${this.address} dropped ${younger?.id}#${younger?.seq} before ${known.id}#${known.seq}`,
      );
    }
  }

  /** Dead letters that a selection means, in order. */
  select(selection: DeadSelection): KnownMessage[] {
    const selected = this.in("dead").filter((known) => isSelected(known, selection));
    return selected.sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0)).slice(0, selection.limit);
  }

  /** Dead letters were put back. */
  redrive(redriven: readonly KnownMessage[], now: number, everyMs: number): void {
    for (const [index, known] of redriven.entries()) {
      known.state = everyMs > 0 ? "delayed" : "ready";
      known.dueAt = everyMs > 0 ? Math.round(now + index * everyMs) : undefined;
      known.failures = 0;
      known.inOrder = false;
      known.holdsGroup = false;
    }
  }

  purge(known: readonly KnownMessage[]): void {
    for (const each of known) this.end(each, "purged");
    this.purged += known.length;
  }

  /** The clock was put forward by this. */
  moveDeadlines(byMs: number): void {
    this.learnedAt += Math.min(0, byMs);
    for (const known of this.unended) {
      known.deadline += byMs;
      if (known.state === "delayed" && known.isDueFixed) continue;
      if (known.dueAt !== undefined) known.dueAt += byMs;
      if (known.expiresAt !== undefined) known.expiresAt += byMs;
    }
  }

  /** The store's process ended. */
  restart(): void {
    for (const known of this.in("leased")) known.state = "ready";
    this.turns.restart();
  }

  /** Commands ran together: what was given out, and in which turn, can't be told. */
  loseTurns(): void {
    this.turns.lose();
  }

  writeRefused(): void {
    this.mayHoldTooMuch = true;
  }

  checkStats(stats: QueueStats): void {
    check(this.early.length === 0, `given out and never confirmed: ${this.early.map(({ id }) => id).join()}`);
    const expected: QueueStats = {
      ready: this.in("ready").length,
      delayed: this.in("delayed").length,
      leased: this.in("leased").length,
      bytes: this.unended.reduce((sum, { bytes }) => sum + bytes, 0),
      dead: this.in("dead").length,
      expired: this.expired,
      purged: this.purged,
    };
    for (const name of Object.keys(expected) as (keyof QueueStats)[]) {
      check(stats[name] === expected[name], `${this.address}: ${stats[name]} ${name}, not ${expected[name]}`);
    }
  }

  private end(known: KnownMessage, how: "acked" | "expired" | "purged"): void {
    known.state = "ended";
    known.how = how;
  }
}

/** How many messages a queue holds. */
export interface Occupancy {
  readonly total: number;
  /** Without those that have expired. */
  readonly alive: number;
  readonly ready: number;
  /** Of those that are alive: out, or delayed. */
  readonly held: number;
}
