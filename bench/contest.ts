/** Systems side by side: their servers and clients, all started before the first run and stopped after the last. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Child } from "./processes/child";
import type { Run, RunResult } from "./processes/load";
import { footprint, resetPeak } from "./processes/proc";
import { Missing, packageVersion, type Server } from "./servers/server";
import { SERVERS, SYSTEMS, type ServerName, type System, type SystemName } from "./systems";

export interface Sample extends RunResult {
  readonly system: SystemName;
  readonly window: number;
  readonly rate?: number;
  readonly perSecond: number;
  /** CPU time in microseconds a message, and the most memory during the run in bytes. */
  readonly serverCpu: number;
  readonly clientCpu: number;
  readonly serverPeak: number;
  readonly clientPeak: number;
}

interface Contestant extends System {
  readonly name: SystemName;
  readonly process: Server;
  readonly load: Child;
}

/** For what a run leaves behind: a queue that is deleted, a log that is compacted. */
const SETTLE_MS = 250;

export class Contest {
  private readonly servers = new Map<ServerName, Server | Missing>();
  private readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-bench-"));
  private contestants: Contestant[] = [];
  private stopping: Promise<void> | undefined;

  /** Starts what can be started; says of each other system why it is left out. */
  static async start(names: readonly SystemName[]): Promise<Contest> {
    const contest = new Contest();
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      // Not once: a second one is no reason to leave servers behind.
      process.on(signal, () => void contest.stop().then(() => process.exit(130)));
    }
    try {
      for (const name of names) await contest.admit(name);
      return contest;
    } catch (error) {
      await contest.stop();
      throw error;
    }
  }

  get names(): readonly SystemName[] {
    return this.contestants.map(({ name }) => name);
  }

  /** Of server and client. */
  versionsOf(name: SystemName): string {
    const contestant = this.contestants.find((each) => each.name === name);
    if (contestant === undefined) return "?";
    const client = contestant.package === "waybill" ? undefined : contestant.package;
    const clientVersion = packageVersion(client);
    return `${contestant.process.version}, ${contestant.package} ${clientVersion}`;
  }

  /**
   * One run of each, in an order that moves on by one with each round, so that nobody always comes after the same other.
   * A system that fails is out, and said to be.
   */
  async round(round: number, run: Omit<Run, "system" | "url">, heard: (sample: Sample) => void): Promise<void> {
    const turn = round % Math.max(1, this.contestants.length);
    const order = [...this.contestants.slice(turn), ...this.contestants.slice(0, turn)];
    for (const contestant of order) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      try {
        heard(await measure(contestant, run));
      } catch (error) {
        // A signal ended it: all are being stopped, and then the process ends.
        if (this.stopping) await forever();
        console.log(`OUT: ${contestant.title}: ${error instanceof Error ? error.message : String(error)}`);
        this.contestants = this.contestants.filter((each) => each !== contestant);
      }
    }
  }

  /** Stops all that was started, in any state of the run. */
  stop(): Promise<void> {
    this.stopping ??= this.stopAll();
    return this.stopping;
  }

  private async admit(name: SystemName): Promise<void> {
    const system: System = SYSTEMS[name];
    const server = await this.server(system.server);
    if (server instanceof Missing) {
      console.log(`SKIPPED: ${system.title}: ${server.message}`);
      return;
    }
    this.contestants.push({ ...system, name, process: server, load: await Child.start("load.js", {}) });
  }

  private async server(name: ServerName): Promise<Server | Missing> {
    const started = this.servers.get(name);
    if (started) return started;
    const folder = path.join(this.folder, name);
    fs.mkdirSync(folder);
    const server = await SERVERS[name](folder).catch((error: unknown) => {
      if (error instanceof Missing) return error;
      throw error;
    });
    this.servers.set(name, server);
    return server;
  }

  private async stopAll(): Promise<void> {
    await Promise.all(this.contestants.map(({ load }) => load.stop()));
    for (const server of this.servers.values()) if (!(server instanceof Missing)) await server.stop();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

function forever(): Promise<never> {
  return new Promise(() => {});
}

async function measure({ name, process, load }: Contestant, run: Omit<Run, "system" | "url">): Promise<Sample> {
  resetPeak(process.pid);
  resetPeak(load.pid);
  const before = footprint(process.pid);
  const result = await load.ask<RunResult>({ ...run, system: name, url: process.url });
  const after = footprint(process.pid);
  return {
    system: name,
    window: run.window,
    rate: run.rate,
    ...result,
    perSecond: result.messages / result.seconds,
    serverCpu: (after.cpu - before.cpu) / result.messages,
    clientCpu: result.cpu / result.messages,
    serverPeak: after.peak,
    clientPeak: footprint(load.pid).peak,
  };
}
