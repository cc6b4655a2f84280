import type { Socket } from "socket.io";
import type { Deliver, DeliveryRef, Revoked, Welcome } from "../../../src/protocol/wire";
import { JsonText } from "../../../src/protocol/json-text";
import type { Answer, History } from "../history";
import type { HubEnd, SimLink } from "./sim-link";

/** As much of a Socket.IO socket as a hub's connection uses, over a simulated link. */
export class HubSocket implements HubEnd {
  readonly nsp = { name: "/" };
  readonly conn = { close: (): void => this.link.closeByHub() };
  private onEvent: (event: string, ...args: unknown[]) => void = () => {};
  private onDisconnect: (reason: string) => void = () => {};

  constructor(
    private readonly client: string,
    private readonly link: SimLink,
    private readonly history: History,
  ) {}

  /** What the product takes it for. */
  asSocket(): Socket {
    return this as unknown as Socket;
  }

  onAny(listener: (event: string, ...args: unknown[]) => void): void {
    this.onEvent = listener;
  }

  on(_event: "disconnect", listener: (reason: string) => void): void {
    this.onDisconnect = listener;
  }

  emit(event: string, argument: unknown): void {
    if (this.link.hubEnd === undefined) return;
    const sent: unknown = argument instanceof JsonText ? JSON.parse(argument.json) : argument;
    this.note(event, sent);
    this.link.send("toClient", () => this.link.clientEnd?.heard(event, sent));
  }

  disconnect(): void {
    this.link.closeByHub();
  }

  received(event: string, argument: Readonly<Record<string, unknown>>, no: number): void {
    const connection = this.link.no;
    this.history.add({ kind: "asked", connection, no, request: event, argument });
    this.onEvent(event, argument, (answer: Answer) => {
      // A socket that has ended sends nothing more.
      if (this.link.hubEnd === undefined) return;
      this.history.add({ kind: "answered", connection, no, answer });
      this.link.send("toClient", () => this.link.clientEnd?.answered(no, answer));
    });
  }

  closed(): void {
    this.onDisconnect("transport close");
  }

  private note(event: string, argument: unknown): void {
    const connection = this.link.no;
    if (event === "welcome") {
      const { session, resumed } = argument as Welcome;
      this.history.add({ kind: "opened", connection, client: this.client, session, resumed });
    } else if (event === "deliver") {
      this.history.add({ kind: "delivered", connection, deliver: argument as Deliver });
    } else if (event === "revoked") {
      const { queue, deliveries, reason } = argument as Revoked;
      this.history.add({ kind: "revoked", connection, revoked: { queue, deliveries: copy(deliveries), reason } });
    } else {
      this.history.add({ kind: "note", text: `#${connection} ◀ ${event}` });
    }
  }
}

function copy(refs: readonly DeliveryRef[]): DeliveryRef[] {
  return refs.map(({ id, attempt }) => ({ id, attempt }));
}
