import type { DeliveredMessage, DeliveryRef, SettleOutcome } from "../../../src/protocol/wire";
import { ROUNDING_MS, type Book } from "./book";
import type { Ask, Claim, ConnectionSeen, Life, Spec } from "./seen";
import type { Rule } from "./rule";

/**
 * One holder at a time: a message is with one session until that is over, an attempt is given to one session only, only
 * its holder can settle it, and what is acked never comes again.
 */
export class Holders implements Rule {
  constructor(private readonly book: Book) {}

  sending(life: Life, message: DeliveredMessage, { session, no }: ConnectionSeen): void {
    const { id, attempt } = message;
    const { hold } = life;
    this.checkContent(life, message);
    this.checkTimes(life);
    if (life.acked) this.breach(`${name(life)} was delivered after its ack was confirmed`, life);
    if (life.sends > 0 && message.redelivered !== true) {
      this.breach(`${name(life)} was delivered before, and does not say "redelivered"`, life);
    }
    if (hold === undefined) return;
    if (attempt === hold.attempt) {
      if (hold.session !== session) this.breach(`${id}/${attempt} was given to two sessions`, life);
      else if (hold.settled) this.breach(`${id}/${attempt} was given once more after it was settled`, life);
      return;
    }
    if (attempt < hold.attempt) {
      this.breach(`${id} was given attempt ${attempt} after ${hold.attempt}`, life);
      return;
    }
    if (this.book.whyOver(hold) === undefined && !hold.revoked) {
      this.breach(`${id}/${attempt} went to #${no} while ${hold.session.client} held attempt ${hold.attempt}`, life);
    }
  }

  settled(ask: Ask, queue: string, ref: DeliveryRef, outcome: SettleOutcome): void {
    const { book } = this;
    const claim = ask.rightful.get(ref);
    const text = `${ask.request} of ${ref.id}/${ref.attempt} by ${ask.connection.session.client}`;
    if ("error" in outcome) {
      if (outcome.error.code === "LEASE_LOST" && claim !== undefined) this.checkRefusal(claim, text);
      return;
    }
    const lives = book.livesOf(queue, ref.id);
    if (outcome.status === "already") {
      // Its own ack is noted already; what another holds is judged by any message of that id.
      const wasAcked = claim
        ? claim.life.acked || claim.life.ackAsked.size > 1
        : lives.some((life) => life.acked || life.ackAsked.size > 0);
      if (!wasAcked) book.breach("One holder at a time", `${text}: "already", and nobody has acked it`, ref.id);
      return;
    }
    if (claim === undefined) {
      book.breach("One holder at a time", `${text}: "${outcome.status}", and it is not the holder`, ref.id);
      return;
    }
    const { life, hold } = claim;
    // A message that was given back goes out again at once, while the answer is on its way.
    const mayBeOut = ask.request === "nack" && life.hold?.step === book.step;
    if (life.hold !== hold && !mayBeOut)
      this.breach(`${text}: "${outcome.status}" after a newer attempt was given out`, life);
    else if (hold.settled) this.breach(`${text}: "${outcome.status}", and it was settled before`, life);
  }

  revoking(queue: string, ref: DeliveryRef, { session }: ConnectionSeen, reason: string): void {
    // Its client shows the session on another connection: this one is about to end.
    if (this.book.isExclusive(queue) && reason.startsWith("another consumer")) return;
    for (const life of this.book.livesOf(queue, ref.id)) {
      const { hold } = life;
      if (hold?.attempt !== ref.attempt || hold.session !== session) continue;
      if (this.book.whyOver(hold) === undefined)
        this.breach(`${ref.id}/${ref.attempt} was revoked for no reason`, life);
    }
  }

  /** A holder that is refused must have lost its lease. */
  private checkRefusal({ life, hold, isSecond }: Claim, text: string): void {
    const { book } = this;
    const isOver =
      hold.settled ||
      hold.revoked ||
      hold.hub !== book.hub ||
      hold.session.connection === undefined ||
      book.at >= hold.endsAt - 1 ||
      (book.isExclusive(hold.queue) && hold.session.detached > hold.detached);
    if (!isSecond && !isOver) this.breach(`${text} was refused, and it is the holder`, life);
  }

  private checkContent(life: Life, { event, payload, publisher }: DeliveredMessage): void {
    const { spec } = life;
    const of = (payload as { of?: string } | null)?.of;
    if (spec === undefined || (of === life.id && event === spec.message.event && publisher === spec.publisher)) return;
    this.book.breach("Confirmed means stored", `${name(life)} was delivered with the content of ${of}`, life.id);
  }

  /** Not before its time, nor after its time to live, as long as a hub was there to see the clock set. */
  private checkTimes(life: Life): void {
    const { book } = this;
    const { spec } = life;
    if (spec === undefined || book.wasMissed(spec) || life.sends > 0) return;
    const earlyMs = this.earliest(spec) - book.at;
    if (earlyMs > ROUNDING_MS) book.breach("Time", `${name(life)} was delivered ${earlyMs} ms too early`, life.id);
    const { ttlMs, delayMs = 0, deliverAt } = spec.message;
    // A dead letter that is put back lives for ever; what was given a time of day moves with that.
    const mayLiveLonger = book.mayHaveDied(life) || book.terms.rulesOf(life.queue).deadLetterExpired;
    if (ttlMs === undefined || deliverAt !== undefined || mayLiveLonger || book.mayBeFollowing) return;
    const lateMs = book.at - (spec.lastAskedAt + delayMs + ttlMs);
    if (lateMs > ROUNDING_MS) book.breach("Time", `${name(life)} was delivered ${lateMs} ms too late`, life.id);
  }

  /** When a message may be delivered at the earliest, since the run began. */
  private earliest({ message: { delayMs = 0, deliverAt }, firstAskedAt }: Spec): number {
    const { book } = this;
    if (deliverAt === undefined) return firstAskedAt + delayMs;
    // Where the clock was set, the time of day may have been reached before it was set back.
    return book.clockSteps.length > 0 ? firstAskedAt : book.at + Date.parse(deliverAt) - book.wall;
  }

  private breach(what: string, life: Life): void {
    this.book.breach("One holder at a time", what, life.id);
  }
}

function name({ queue, seq, id }: Life): string {
  return `${id} (${queue}, seq ${seq})`;
}
