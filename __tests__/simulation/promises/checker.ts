import type { Deliver, DeliveryRef, PublishMessage, Revoked, SettleOutcome } from "../../../src/protocol/wire";
import type { Answer, Event } from "../history";
import { Book } from "./book";
import type { Ask, Breach, ConnectionSeen, Terms } from "./seen";
import { Bounds } from "./bounds";
import { Confirmations } from "./confirmations";
import { Exclusive } from "./exclusive";
import { Endings } from "./endings";
import { Holders } from "./holders";
import { Order } from "./order";
import { Resumption } from "./resumption";
import { Rooms } from "./rooms";
import type { Rule } from "./rule";

const SETTLING = new Set(["ack", "nack", "extend"]);

/** Holds a history against the promises, event by event. */
export class Checker {
  private readonly book: Book;
  private readonly rules: readonly Rule[];

  constructor(terms: Terms) {
    const book = new Book(terms);
    this.book = book;
    this.rules = [
      new Confirmations(book),
      new Holders(book),
      new Bounds(book),
      new Order(book),
      new Exclusive(book),
      new Resumption(book),
      new Rooms(book),
      new Endings(book),
    ];
  }

  get breaches(): readonly Breach[] {
    return this.book.breaches;
  }

  see(event: Event): void {
    const { book } = this;
    book.turn(event);
    switch (event.kind) {
      case "hub":
        if (event.is === "up") book.hub = event.no;
        else if (event.is !== "draining") book.hubEnded();
        return;
      case "opened":
        book.opened(event.connection, event.client, event.session);
        return;
      case "closed":
        book.closed(event.connection);
        for (const rule of this.rules) rule.closed?.(event.connection);
        return;
      case "asked":
        this.asked(event.no, event.connection, event.request, event.argument);
        return;
      case "answered":
        this.answered(`${event.connection}/${event.no}`, event.answer);
        return;
      case "delivered":
        this.delivered(event.connection, event.deliver);
        return;
      case "revoked":
        this.revoked(event.connection, event.revoked);
        return;
      case "fault":
        if (event.what === "store lost" || event.what === "sync failed") book.storeLost.add(book.hub);
        if (event.what === "disk full" || event.what === "write errors") book.writesFailed = true;
        if (event.what === "clock step") book.clockSteps.push(event.at);
        return;
      case "note":
        return;
      case "over":
        for (const rule of this.rules) rule.over?.(event.queues);
        return;
    }
  }

  private asked(no: number, connectionNo: number, request: string, argument: Ask["argument"]): void {
    const { book } = this;
    const connection = this.connection(connectionNo);
    const ask = book.ask(no, connection, request, argument);
    if (request === "publish") {
      for (const message of argument["messages"] as PublishMessage[]) book.specify(message, connection.session.client);
    }
    if (SETTLING.has(request)) {
      for (const ref of refsOf(argument)) book.claim(ask, String(argument["queue"]), ref);
    }
    if (argument["exclusive"] === true) book.wishedExclusive.add(String(argument["queue"]));
    for (const rule of this.rules) rule.asked?.(ask);
  }

  private answered(key: string, answer: Answer): void {
    const { book } = this;
    const ask = book.asks.get(key);
    if (ask === undefined) throw new Error(`${key} was answered and never asked`);
    if (SETTLING.has(ask.request)) this.settled(ask, answer);
    for (const rule of this.rules) rule.answered?.(ask, answer);
    ask.answer = answer;
  }

  private settled(ask: Ask, answer: Answer): void {
    const outcomes = answer["results"] as SettleOutcome[] | undefined;
    for (const [index, ref] of refsOf(ask.argument).entries()) {
      const outcome = outcomes?.[index] ?? ({ id: ref.id, error: answer["error"] } as SettleOutcome);
      for (const rule of this.rules) rule.settled?.(ask, String(ask.argument["queue"]), ref, outcome);
      this.book.conclude(ask, ref, outcome);
    }
  }

  private delivered(connectionNo: number, { queue, messages }: Deliver): void {
    const { book } = this;
    const connection = this.connection(connectionNo);
    for (const message of messages) {
      const life = book.life(queue, message.seq, message.id);
      for (const rule of this.rules) rule.sending?.(life, message, connection);
      book.send(life, connection, message);
    }
  }

  private revoked(connectionNo: number, { queue, deliveries, reason }: Revoked): void {
    const { book } = this;
    const connection = this.connection(connectionNo);
    for (const ref of deliveries) {
      for (const rule of this.rules) rule.revoking?.(queue, ref, connection, reason);
      for (const { hold } of book.livesOf(queue, ref.id)) {
        if (hold?.attempt === ref.attempt && hold.session === connection.session) hold.revoked = true;
      }
    }
  }

  private connection(no: number): ConnectionSeen {
    const connection = this.book.connections.get(no);
    if (connection === undefined) throw new Error(`nobody has opened connection ${no}`);
    return connection;
  }
}

function refsOf(argument: Ask["argument"]): readonly DeliveryRef[] {
  return argument["deliveries"] as DeliveryRef[];
}
