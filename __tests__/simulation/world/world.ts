import type { ClientEnd } from "./sim-link";
import { SimLink, type NetworkMood } from "./sim-link";
import type { Shore } from "../clients/sim-client";
import { History } from "../history";
import type { Random } from "../random";
import type { Fault, Scenario } from "../scenario";
import { SimClock } from "./sim-clock";
import { SimDisk } from "./sim-disk";
import { SimHub } from "./sim-hub";

const START_AGAIN_MS = 250;

/** The hub's machine, its disk and its network, with all that goes wrong with them. */
export class World implements Shore {
  readonly clock: SimClock;
  readonly history: History;
  readonly network: NetworkMood;
  readonly noticeMs: number;
  readonly disk: SimDisk;
  hub: SimHub;
  healing = false;
  private readonly links = new Set<SimLink>();
  private hubs = 0;
  private lastLink = 0;
  /** A crash that waits for the next commit: how long the hub is down after it. */
  private crashDuring: number | undefined;

  constructor(
    readonly random: Random,
    private readonly scenario: Scenario,
  ) {
    this.clock = new SimClock(random.fork());
    this.history = new History(this.clock);
    this.network = { latencyMs: scenario.latencyMs };
    this.noticeMs = scenario.noticeMs;
    this.disk = new SimDisk(this.clock, random.fork(), scenario.file);
    this.disk.mood.fsyncMs = scenario.fsyncMs;
    this.disk.onCommit = (fsyncMs) => this.crashWithin(fsyncMs);
    this.disk.onFailedSync = () => this.history.add({ kind: "fault", what: "sync failed", detail: "" });
    this.hub = this.boot();
    for (const fault of scenario.faults) this.clock.at(fault.at, () => this.strike(fault));
  }

  dial(end: ClientEnd, client: string, session: string | undefined): SimLink {
    const link = new SimLink(++this.lastLink, this);
    this.links.add(link);
    link.clientEnd = end;
    link.send("toHub", () => {
      if (link.clientEnd !== undefined && this.hub.accept(link, client, session)) return;
      link.cut();
    });
    return link;
  }

  /** Puts an end to all that goes wrong. */
  heal(): void {
    this.healing = true;
    this.crashDuring = undefined;
    this.repairDisk();
    this.history.add({ kind: "note", text: "from here on nothing goes wrong any more" });
  }

  /** Closes the hub in order, and starts it once more. */
  async restart(downMs: number): Promise<void> {
    const { hub } = this;
    if (!hub.isUp) return;
    await hub.close();
    this.bootAfter(downMs, hub);
  }

  private boot(): SimHub {
    const hub = new SimHub(++this.hubs, this, this.scenario.hub, () => this.clock.after(5, () => this.crash(hub, 50)));
    this.hub = hub;
    hub.start().catch(() => {
      this.history.add({ kind: "hub", no: hub.no, is: "unable to start" });
      this.crash(hub, START_AGAIN_MS);
    });
    return hub;
  }

  private bootAfter(downMs: number, former: SimHub): void {
    this.clock.after(downMs, () => {
      if (this.hub === former) this.boot();
    });
  }

  private crash(hub: SimHub, downMs: number): void {
    if (this.hub !== hub || hub.hasEnded) return;
    hub.crash();
    this.bootAfter(downMs, hub);
  }

  private crashWithin(fsyncMs: number): void {
    const downMs = this.crashDuring;
    if (downMs === undefined) return;
    this.crashDuring = undefined;
    const { hub } = this;
    const at = this.clock.steadyMs + fsyncMs * this.random.next();
    this.disk.failsAt = at;
    this.clock.at(at, () => {
      this.disk.failsAt = Infinity;
      if (!this.healing) this.crash(hub, downMs);
    });
  }

  private strike(fault: Fault): void {
    if (this.healing) return;
    if (fault.kind !== "crash") this.history.add({ kind: "fault", what: fault.kind, detail: JSON.stringify(fault) });
    switch (fault.kind) {
      case "crash":
        if (fault.during) this.crashDuring = fault.downMs;
        else this.crash(this.hub, fault.downMs);
        return;
      case "restart":
        void this.restart(fault.downMs);
        return;
      case "store lost":
        this.hub.loseStore();
        return;
      case "cut":
        for (const link of this.wholeLinks()) if (this.random.chance(fault.share)) link.cut();
        return;
      case "half-open":
        this.pickLink()?.goDeaf(fault.directions);
        return;
      case "clock step":
        this.clock.stepTime(fault.ms);
        return;
      case "disk full":
        this.disk.mood.full = true;
        this.clock.after(fault.forMs, () => this.repairDisk());
        return;
      case "write errors":
        this.disk.mood.failPercent = fault.percent;
        this.clock.after(fault.forMs, () => this.repairDisk());
        return;
      case "slow disk":
        this.disk.mood.fsyncMs = fault.fsyncMs;
        this.clock.after(fault.forMs, () => this.repairDisk());
        return;
    }
  }

  private repairDisk(): void {
    Object.assign(this.disk.mood, { full: false, failPercent: 0, fsyncMs: this.scenario.fsyncMs });
  }

  private wholeLinks(): SimLink[] {
    for (const link of this.links)
      if (link.hubEnd === undefined && link.clientEnd === undefined) this.links.delete(link);
    return [...this.links].filter((link) => link.isWhole);
  }

  private pickLink(): SimLink | undefined {
    const links = this.wholeLinks();
    return links.length === 0 ? undefined : this.random.pick(links);
  }
}
