import type { Answer, History } from "../history";
import type { Random } from "../random";
import type { SimClock } from "./sim-clock";

/** The hub's end of a connection. */
export interface HubEnd {
  received(event: string, argument: Readonly<Record<string, unknown>>, no: number): void;
  closed(): void;
}

/** The client's end of a connection. */
export interface ClientEnd {
  heard(event: string, argument: unknown): void;
  answered(no: number, answer: Answer): void;
  closed(): void;
}

/** How the network behaves now; faults change it. */
export interface NetworkMood {
  /** Milliseconds that a packet takes, on average. */
  latencyMs: number;
}

/** What a link is part of. */
export interface Surroundings {
  readonly clock: SimClock;
  readonly random: Random;
  readonly history: History;
  readonly network: NetworkMood;
  /** Milliseconds after which an end notices that nothing comes any more. */
  readonly noticeMs: number;
}

type Direction = "toHub" | "toClient";

/**
 * One connection: what goes in at one end comes out at the other, later, in order, or not at all. Each end learns of the
 * connection's end on its own.
 */
export class SimLink {
  hubEnd: HubEnd | undefined;
  clientEnd: ClientEnd | undefined;
  private readonly lastAt = { toHub: 0, toClient: 0 };
  private readonly deaf = { toHub: false, toClient: false };

  constructor(
    readonly no: number,
    private readonly around: Surroundings,
  ) {}

  /** Whether both ends hold it for open, and packets go both ways. */
  get isWhole(): boolean {
    return this.hubEnd !== undefined && this.clientEnd !== undefined && !this.deaf.toHub && !this.deaf.toClient;
  }

  send(direction: Direction, arrive: () => void): void {
    const { clock, random, network } = this.around;
    if (this.deaf[direction]) return;
    // Mostly quick, now and then much slower.
    const latencyMs = network.latencyMs * (0.2 - Math.log(1 - random.next()));
    const at = Math.max(clock.steadyMs + latencyMs, this.lastAt[direction]);
    this.lastAt[direction] = at;
    clock.at(at, () => {
      if (!this.deaf[direction]) arrive();
    });
  }

  /** The connection breaks: packets under way are lost, and both ends notice soon. */
  cut(): void {
    const { random } = this.around;
    this.loseAll();
    this.endHubSoon(random.between(0, 30));
    this.endClientSoon(random.between(0, 30));
  }

  /** Packets vanish in one direction, or both; the ends notice only after they have heard nothing for long. */
  goDeaf(directions: readonly Direction[]): void {
    const { random, noticeMs } = this.around;
    for (const direction of directions) this.deaf[direction] = true;
    this.endHubSoon(noticeMs * random.between(0.5, 1.5));
    this.endClientSoon(noticeMs * random.between(0.5, 1.5));
  }

  /** The hub's process is gone: its end tells nobody, its client notices soon. */
  loseHub(): void {
    this.loseAll();
    this.hubEnd = undefined;
    this.endClientSoon(this.around.random.between(0, 100));
  }

  /** The hub ends it: what it sent before still arrives. */
  closeByHub(): void {
    if (this.hubEnd === undefined) return;
    this.send("toClient", () => this.endClient());
    if (this.deaf.toClient) this.endClientSoon(this.around.noticeMs);
    this.endHub();
  }

  closeByClient(): void {
    if (this.clientEnd === undefined) return;
    this.send("toHub", () => this.endHub());
    if (this.deaf.toHub) this.endHubSoon(this.around.noticeMs);
    this.endClient();
  }

  private loseAll(): void {
    this.deaf.toHub = true;
    this.deaf.toClient = true;
  }

  private endHubSoon(ms: number): void {
    this.around.clock.after(ms, () => this.endHub());
  }

  private endClientSoon(ms: number): void {
    this.around.clock.after(ms, () => this.endClient());
  }

  private endHub(): void {
    const end = this.hubEnd;
    if (end === undefined) return;
    this.hubEnd = undefined;
    this.around.history.add({ kind: "closed", connection: this.no });
    end.closed();
  }

  private endClient(): void {
    const end = this.clientEnd;
    this.clientEnd = undefined;
    end?.closed();
  }
}
