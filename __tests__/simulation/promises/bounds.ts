import type { DeliveredMessage } from "../../../src/protocol/wire";
import { sizeOf } from "../../../src/queue/message";
import type { Answer } from "../history";
import type { Book } from "./book";
import type { Ask, ConnectionSeen, Life } from "./seen";
import type { Rule } from "./rule";

/** What a connection asked for of one queue. */
interface Consumer {
  prefetch: number | undefined;
  /** Requests to consume that are not answered yet: either prefetch may be in force. */
  readonly asked: Map<Ask, number>;
}

/** Bounded: nobody gets more than its prefetch, or what it has not asked for, and no queue holds more than it may. */
export class Bounds implements Rule {
  private readonly consumers = new Map<string, Consumer>();
  /** What each session was given of each queue, and may not have settled. */
  private readonly out = new Map<string, Map<Life, number>>();
  /** Confirmed, and never given out. */
  private readonly waiting = new Map<string, Set<Life>>();

  constructor(private readonly book: Book) {}

  asked(ask: Ask): void {
    if (ask.request !== "consume") return;
    this.consumerOf(ask.connection, queueOf(ask)).asked.set(ask, Number(ask.argument["prefetch"]));
  }

  answered(ask: Ask, { ok }: Answer): void {
    if (ask.request === "publish") {
      if (ok) this.checkQueues(ask);
      return;
    }
    if (ask.request !== "consume" && ask.request !== "cancel") return;
    const consumer = this.consumerOf(ask.connection, queueOf(ask));
    if (ask.request === "cancel") {
      if (ok) consumer.prefetch = undefined;
      return;
    }
    const prefetch = consumer.asked.get(ask);
    consumer.asked.delete(ask);
    if (ok) consumer.prefetch = prefetch;
  }

  sending(life: Life, message: DeliveredMessage, connection: ConnectionSeen): void {
    this.waiting.get(life.queue)?.delete(life);
    const { prefetch, asked } = this.consumerOf(connection, life.queue);
    const allowed = Math.max(prefetch ?? 0, ...asked.values());
    if (allowed === 0) this.breach(`${life.id} went to #${connection.no}, which does not consume ${life.queue}`, life);
    if (life.hold?.attempt === message.attempt) return;
    const out = this.outOf(connection, life.queue);
    const bytes = [...out.values()].reduce((sum, size) => sum + size, 0);
    out.set(life, sizeOf({ id: life.id, payload: JSON.stringify(message.payload), headers: undefined }));
    if (out.size > allowed && allowed > 0) {
      this.breach(
        `#${connection.no} has ${out.size} deliveries of ${life.queue} out, and a prefetch of ${allowed}`,
        life,
      );
    }
    if (bytes >= this.book.terms.prefetchBytes) {
      this.breach(`#${connection.no} was given more with ${bytes} bytes of ${life.queue} out`, life);
    }
  }

  private checkQueues({ argument }: Ask): void {
    const { book } = this;
    for (const { id } of argument["messages"] as { id: string }[]) {
      const queue = book.specs.get(id)?.target ?? "";
      for (const life of book.livesOf(queue, id)) {
        if (!life.confirmed || life.sends > 0 || life.spec?.message.ttlMs !== undefined) continue;
        const waiting = this.waiting.get(queue) ?? new Set();
        this.waiting.set(queue, waiting.add(life));
        const { maxMessages, overflow } = book.terms.rulesOf(queue);
        if (waiting.size <= maxMessages || overflow === "drop-oldest") continue;
        this.breach(`${queue} holds ${waiting.size} messages`, life);
      }
    }
  }

  /** What is out, without what is over or may be settled. */
  private outOf({ session }: ConnectionSeen, queue: string): Map<Life, number> {
    const key = `${session.id} ${queue}`;
    const out = this.out.get(key) ?? new Map<Life, number>();
    this.out.set(key, out);
    for (const life of out.keys()) {
      const { hold } = life;
      const isHeld = hold?.session === session && !hold.revoked && this.book.whyOver(hold) === undefined;
      if (!isHeld) out.delete(life);
    }
    return out;
  }

  private consumerOf({ no }: ConnectionSeen, queue: string): Consumer {
    const key = `${no} ${queue}`;
    const consumer = this.consumers.get(key) ?? { prefetch: undefined, asked: new Map<Ask, number>() };
    this.consumers.set(key, consumer);
    return consumer;
  }

  private breach(what: string, { id }: Life): void {
    this.book.breach("Bounded", what, id);
  }
}

function queueOf({ argument }: Ask): string {
  return String(argument["queue"]);
}
