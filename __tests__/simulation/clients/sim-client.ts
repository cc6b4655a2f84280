import type {
  Deliver,
  DeliveredMessage,
  Drain,
  PublishResult,
  Revoked,
  SettleOutcome,
  Welcome,
} from "../../../src/protocol/wire";
import type { Answer } from "../history";
import type { Random } from "../random";
import type { ClientEnd, SimLink } from "../world/sim-link";
import type { SimClock } from "../world/sim-clock";

/** Where a client finds its hub. */
export interface Shore {
  readonly clock: SimClock;
  /** All faults are over, and everybody works off what is left. */
  readonly healing: boolean;
  /** A new connection on its way to the hub. */
  dial(end: ClientEnd, client: string, session: string | undefined): SimLink;
}

/** What a client does on its connections. */
export interface Role {
  connected(resumed: boolean): void;
  delivered(queue: string, messages: readonly DeliveredMessage[]): void;
  revoked(revoked: Revoked): void;
  disconnected(): void;
}

interface Pending {
  readonly resolve: (answer: Answer | undefined) => void;
}

/** How a client behaves when its connection ends. */
export interface ClientHabits {
  /** How often it shows the session that it had. */
  readonly resumes: number;
  readonly reconnectMs: number;
  /** After which it no longer waits for an answer. */
  readonly patienceMs: number;
}

/** A client's connections, one after the other, and its requests on them. */
export class SimClient implements ClientEnd {
  role: Role | undefined;
  private link: SimLink | undefined;
  private session: string | undefined;
  private isWelcome = false;
  private lastNo = 0;
  private readonly pending = new Map<number, Pending>();

  constructor(
    readonly name: string,
    readonly shore: Shore,
    readonly random: Random,
    private readonly habits: ClientHabits,
  ) {}

  get isConnected(): boolean {
    return this.isWelcome;
  }

  connect(): void {
    if (this.link !== undefined) return;
    const shown = this.random.chance(this.habits.resumes) ? this.session : undefined;
    this.link = this.shore.dial(this, this.name, shown);
  }

  /** Leaves, and comes back later. */
  disconnect(): void {
    this.link?.closeByClient();
  }

  /** @returns the hub's answer; undefined when it does not come in time, or never: the request may be done or not. */
  ask(request: string, argument: Readonly<Record<string, unknown>>): Promise<Answer | undefined> {
    const { link } = this;
    if (link === undefined) return Promise.resolve(undefined);
    const no = ++this.lastNo;
    return new Promise((resolve) => {
      const timer = this.shore.clock.after(this.habits.patienceMs, () => this.settle(no, undefined));
      this.pending.set(no, {
        resolve: (answer) => {
          timer.cancel();
          resolve(answer);
        },
      });
      link.send("toHub", () => link.hubEnd?.received(request, argument, no));
    });
  }

  heard(event: string, argument: unknown): void {
    if (event === "welcome") {
      const { session, resumed } = argument as Welcome;
      this.session = session;
      this.isWelcome = true;
      this.role?.connected(resumed);
    } else if (event === "deliver") {
      const { queue, messages } = argument as Deliver;
      this.role?.delivered(queue, messages);
    } else if (event === "revoked") {
      this.role?.revoked(argument as Revoked);
    } else if (event === "drain") {
      const { reconnectAfterMs } = argument as Drain;
      this.shore.clock.after(reconnectAfterMs, () => this.connect());
    }
  }

  answered(no: number, answer: Answer): void {
    this.settle(no, answer);
  }

  closed(): void {
    this.link = undefined;
    this.isWelcome = false;
    for (const no of [...this.pending.keys()]) this.settle(no, undefined);
    this.role?.disconnected();
    this.shore.clock.after(this.habits.reconnectMs * this.random.between(0.1, 2), () => this.connect());
  }

  private settle(no: number, answer: Answer | undefined): void {
    const pending = this.pending.get(no);
    this.pending.delete(no);
    pending?.resolve(answer);
  }
}

export function publishResults(answer: Answer): readonly PublishResult[] {
  return (answer["results"] ?? []) as readonly PublishResult[];
}

export function settleResults(answer: Answer): readonly SettleOutcome[] {
  return (answer["results"] ?? []) as readonly SettleOutcome[];
}
