import type { DeliveredMessage } from "../../../src/protocol/wire";
import type { Answer } from "../history";
import type { Book } from "./book";
import type { Ask, ConnectionSeen, Life } from "./seen";
import type { Rule } from "./rule";

/** One consumer at a time: an exclusive queue is dealt to the consumer that has been there longest. */
export class Exclusive implements Rule {
  /** The connections that consume each queue, as they came. */
  private readonly lines = new Map<string, number[]>();

  constructor(private readonly book: Book) {}

  asked({ request, argument, connection: { no } }: Ask): void {
    const line = this.lineOf(String(argument["queue"]));
    if (request === "consume" && !line.includes(no)) line.push(no);
    if (request === "cancel") leave(line, no);
  }

  answered({ request, argument, connection }: Ask, { ok }: Answer): void {
    if (request === "consume" && !ok) leave(this.lineOf(String(argument["queue"])), connection.no);
  }

  closed(connection: number): void {
    for (const line of this.lines.values()) leave(line, connection);
  }

  sending(life: Life, message: DeliveredMessage, { no }: ConnectionSeen): void {
    if (!this.book.terms.rulesOf(life.queue).exclusive || life.hold?.attempt === message.attempt) return;
    const open = this.lineOf(life.queue).filter((each) => this.book.connections.get(each)?.open);
    if (open[0] === no) return;
    const what = `${life.id} went to #${no}, and #${open[0]} has consumed ${life.queue} longer`;
    this.book.breach("One consumer at a time", what, life.id);
  }

  private lineOf(queue: string): number[] {
    const line = this.lines.get(queue) ?? [];
    this.lines.set(queue, line);
    return line;
  }
}

function leave(line: number[], connection: number): void {
  const at = line.indexOf(connection);
  if (at >= 0) line.splice(at, 1);
}
