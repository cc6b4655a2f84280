import { createHash } from "node:crypto";
import type { Deliver, DeliveryRef, Revoked } from "../../src/protocol/wire";
import type { QueueStats } from "../../src/queue/store";

/** A hub's answer, as it goes over the wire. */
export type Answer = { readonly ok: boolean } & Readonly<Record<string, unknown>>;

/** A queue when all is over: what the hub says in memory and from its file, and its dead letters. */
export interface QueueAtEnd {
  readonly queue: string;
  readonly inMemory: QueueStats;
  readonly onDisk: QueueStats;
  readonly dead: readonly { readonly id: string; readonly seq: number }[];
}

/** What can be seen at the hub's end of the wire, and what was done to it. */
export type Happening =
  | {
      readonly kind: "hub";
      readonly no: number;
      readonly is: "up" | "crashed" | "draining" | "closed" | "unable to start";
    }
  | {
      readonly kind: "opened";
      readonly connection: number;
      readonly client: string;
      readonly session: string;
      readonly resumed: boolean;
    }
  | { readonly kind: "closed"; readonly connection: number }
  | {
      readonly kind: "asked";
      readonly connection: number;
      readonly no: number;
      readonly request: string;
      readonly argument: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: "answered"; readonly connection: number; readonly no: number; readonly answer: Answer }
  | { readonly kind: "delivered"; readonly connection: number; readonly deliver: Deliver }
  | { readonly kind: "revoked"; readonly connection: number; readonly revoked: Revoked }
  | { readonly kind: "fault"; readonly what: string; readonly detail: string }
  | { readonly kind: "note"; readonly text: string }
  | { readonly kind: "over"; readonly queues: readonly QueueAtEnd[] };

export type Event = Happening & {
  /** Milliseconds since the run began, and of the hub's time of day. */
  readonly at: number;
  readonly wall: number;
  /** Events of the same step happened together. */
  readonly step: number;
};

/** Everything that happened in one run, in order. */
export class History {
  readonly events: Event[] = [];
  private readonly listeners: ((event: Event) => void)[] = [];

  constructor(private readonly clock: { readonly steadyMs: number; readonly step: number; now(): number }) {}

  onEvent(listener: (event: Event) => void): void {
    this.listeners.push(listener);
  }

  add(happening: Happening): void {
    const { steadyMs, step } = this.clock;
    const event: Event = { ...happening, at: steadyMs, wall: this.clock.now(), step };
    this.events.push(event);
    for (const listener of this.listeners) listener(event);
  }

  /** The events that speak of an id, and those that concern all, as lines. */
  lifeOf(id: string): string[] {
    const lines = linesOf(this.events);
    const asked = new Set<string>();
    return this.events.flatMap((event, index) => {
      const line = lines[index] ?? "";
      const key = "no" in event && "connection" in event ? `${event.connection}/${event.no}` : "";
      const isNamed = line.includes(`${id}:`) || line.includes(`${id}/`) || line.includes(`${id} `);
      if (event.kind === "asked" && isNamed) asked.add(key);
      const concernsAll = event.kind === "hub" || event.kind === "fault";
      return isNamed || concernsAll || (event.kind === "answered" && asked.has(key)) ? [line] : [];
    });
  }

  lines(): string[] {
    return linesOf(this.events);
  }

  /** The same for two runs that went the same way. */
  hash(): string {
    return createHash("sha256").update(this.lines().join("\n")).digest("hex");
  }
}

/** Sessions have random names: in the text they are numbered as they come. */
function linesOf(events: readonly Event[]): string[] {
  const sessions = new Map<string, number>();
  const clients = new Map<number, string>();
  return events.map((event) => {
    if (event.kind === "opened") {
      if (!sessions.has(event.session)) sessions.set(event.session, sessions.size + 1);
      clients.set(event.connection, `${event.client}#${event.connection}`);
    }
    const who = "connection" in event ? (clients.get(event.connection) ?? `#${event.connection}`) : "";
    return `${(event.at / 1000).toFixed(6).padStart(11)}  ${describe(event, who, sessions)}`;
  });
}

function describe(event: Event, who: string, sessions: ReadonlyMap<string, number>): string {
  switch (event.kind) {
    case "hub":
      return `=== hub ${event.no} ${event.is}`;
    case "opened":
      return `${who} connected, session ${sessions.get(event.session)}${event.resumed ? " resumed" : ""}`;
    case "closed":
      return `${who} closed`;
    case "asked":
      return `${who} ▶ ${event.request} ${event.no} ${describeArgument(event.argument)}`;
    case "answered":
      return `${who} ◀ answer ${event.no} ${describeAnswer(event.answer)}`;
    case "delivered": {
      const { queue, messages } = event.deliver;
      const list = messages.map(
        ({ id, seq, attempt, redelivered }) => `${id}/${attempt} seq ${seq}${redelivered ? " again" : ""}`,
      );
      return `${who} ◀ deliver ${queue}: ${list.join(", ")}`;
    }
    case "revoked":
      return `${who} ◀ revoked ${event.revoked.queue}: ${describeRefs(event.revoked.deliveries)}`;
    case "fault":
      return `*** ${event.what} ${event.detail}`;
    case "note":
      return `--- ${event.text}`;
    case "over":
      return `=== over ${JSON.stringify(event.queues)}`;
  }
}

/** Of a message: its id is told apart, the rest is always the same. */
const LEFT_OUT: ReadonlySet<string> = new Set(["id", "payload", "event"]);

function describeArgument(argument: Readonly<Record<string, unknown>>): string {
  const { deliveries, messages, ...others } = argument;
  const parts = Object.entries(others).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  if (Array.isArray(deliveries)) parts.push(describeRefs(deliveries as DeliveryRef[]));
  if (Array.isArray(messages)) parts.push(messages.map((message) => describeMessage(message as object)).join(", "));
  return parts.join(" ");
}

function describeMessage(message: object): string {
  const { id } = message as { id?: string };
  const others = Object.entries(message).filter(([name]) => !LEFT_OUT.has(name));
  return `${id}: ${JSON.stringify(Object.fromEntries(others))}`;
}

function describeRefs(refs: readonly DeliveryRef[]): string {
  return refs.map(({ id, attempt }) => `${id}/${attempt}`).join(", ");
}

function describeAnswer({ ok, results, ...others }: Answer): string {
  if (!ok) return `refused ${(others["error"] as { code: string }).code}`;
  if (!Array.isArray(results)) return JSON.stringify(others);
  return (results as { id?: string; seq?: number; status?: string; error?: { code: string } }[])
    .map(
      ({ id, seq, status, error }) => `${id ?? "?"}: ${error?.code ?? status}${seq === undefined ? "" : ` seq ${seq}`}`,
    )
    .join(", ");
}
