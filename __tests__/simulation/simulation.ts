import { queueAddress } from "../../src/queue/message";
import type { QueueStats, Store } from "../../src/queue/store";
import { Member } from "./clients/member";
import { Operator } from "./clients/operator";
import { Publisher } from "./clients/publisher";
import { SimClient, type ClientHabits } from "./clients/sim-client";
import { Gossip, Worker } from "./clients/worker";
import type { History, QueueAtEnd } from "./history";
import type { Breach } from "./promises/seen";
import { Checker } from "./promises/checker";
import { Random } from "./random";
import { drawScenario, type Scenario } from "./scenario";
import { Tally } from "./tally";
import { World } from "./world/world";

/** How one run went. */
export interface Outcome {
  readonly seed: number;
  readonly breaches: readonly Breach[];
  readonly history: History;
}

const LOOK_MS = 200;
/** With nothing going wrong, all that is left is worked off long before. */
const HEAL_LIMIT_MS = 180_000;

/** Runs what a seed says, from an empty file to the moment when nothing is left to do. */
export async function simulate(seed: number, tally = new Tally()): Promise<Outcome> {
  const random = new Random(seed);
  const [ofScenario, ofWorld, ofStorage] = [random.fork(), random.fork(), random.fork()];
  const scenario = drawScenario(ofScenario, ofStorage);
  const world = new World(ofWorld, scenario);
  const checker = new Checker(termsOf(scenario));
  world.history.onEvent((event) => checker.see(event));
  world.history.onEvent((event) => tally.see(event));
  const run = new Run(world, scenario);
  let failed: string | undefined;
  try {
    await world.clock.run();
  } catch (error) {
    failed = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const stuck = failed ?? run.stuck;
  const own: Breach[] =
    stuck === undefined ? [] : [{ promise: "All goes on", what: stuck, id: "", at: world.clock.steadyMs }];
  return { seed, breaches: [...checker.breaches, ...own], history: world.history };
}

/** The clients of one run, and its end. */
class Run {
  /** What is left although nothing goes wrong any more. */
  stuck: string | undefined;
  private readonly publishers: Publisher[] = [];
  private readonly workers: Worker[] = [];
  private readonly queues: readonly string[];

  constructor(
    private readonly world: World,
    private readonly scenario: Scenario,
  ) {
    const gossip = new Gossip();
    for (const [index, habits] of scenario.publishers.entries()) {
      this.publishers.push(new Publisher(this.client(`publisher-${index}`, habits), habits));
    }
    for (const [index, habits] of scenario.workers.entries()) {
      this.workers.push(new Worker(this.client(`worker-${index}`, habits), habits, gossip));
    }
    for (const [index, habits] of scenario.members.entries()) {
      const client = this.client(`member-${index}`, habits);
      const inbox = new Worker(client, habits, gossip);
      this.workers.push(inbox);
      new Member(client, inbox, habits);
    }
    if (scenario.operator) new Operator(this.client("operator", scenario.operator), scenario.operator);
    this.queues = [...scenario.queues, ...scenario.members.map((_, index) => `@member-${index}`)];
    world.clock.after(scenario.activeMs, () => this.heal());
  }

  private client(name: string, habits: ClientHabits): SimClient {
    const { random, clock } = this.world;
    const client = new SimClient(name, this.world, random.fork(), habits);
    clock.after(random.between(0, 100), () => client.connect());
    return client;
  }

  private heal(): void {
    this.world.heal();
    this.goOn(this.lookAgain());
  }

  /** A failure in the run's own code ends it. */
  private goOn(going: Promise<void>): void {
    going.catch((error: unknown) => {
      this.end(error instanceof Error ? (error.stack ?? error.message) : String(error));
    });
  }

  private async lookAgain(): Promise<void> {
    const { world, scenario } = this;
    for (const worker of this.workers) worker.heal();
    // Twice in a row: something that has left its queue may still be on its way to the file.
    for (let quiet = 0; quiet < 2;) {
      await this.pass(LOOK_MS);
      const left = await this.left();
      quiet = left === undefined ? quiet + 1 : 0;
      if (left === undefined) continue;
      if (world.clock.steadyMs < scenario.activeMs + HEAL_LIMIT_MS) continue;
      this.end(`${left} after ${HEAL_LIMIT_MS} ms without any fault`);
      return;
    }
    await this.conclude();
  }

  /** What is still to be done; undefined: nothing. */
  private async left(): Promise<string | undefined> {
    const { hub } = this.world;
    if (!hub.isUp || hub.store === undefined) return "the hub is not up";
    const waiting = this.publishers.filter(({ isDone }) => !isDone).length;
    if (waiting > 0) return `${waiting} publishers have something unconfirmed`;
    // Behind all that is on its way to the file: a join may put a room's history into an inbox.
    await hub.store.probe();
    for (const queue of this.queues) {
      const { ready, delayed, leased } = await statsOf(hub.store, queue);
      if (ready + delayed + leased > 0) return `${queue} has ${ready} ready, ${delayed} delayed, ${leased} leased`;
    }
    return undefined;
  }

  /** Closes the hub and starts it from its file: what it counted must be what is there. */
  private async conclude(): Promise<void> {
    const { world } = this;
    const before = world.hub.store;
    if (before === undefined) throw new Error("there is no hub");
    const inMemory = await Promise.all(this.queues.map((queue) => statsOf(before, queue)));
    void world.restart(1);
    while (!world.hub.isUp || world.hub.store === before) await this.pass(LOOK_MS);
    const after = world.hub.store;
    if (after === undefined) throw new Error("there is no hub");
    const queues: QueueAtEnd[] = [];
    for (const [index, queue] of this.queues.entries()) {
      const letters = await after.deadLetters(queueAddress("/", queue), {}, 100_000, 0);
      const dead = letters.map(({ message: { id, seq } }) => ({ id, seq }));
      const counted = inMemory[index] ?? EMPTY;
      queues.push({ queue, inMemory: counted, onDisk: await statsOf(after, queue), dead });
    }
    world.history.add({ kind: "over", queues });
    this.end(undefined);
  }

  private end(stuck: string | undefined): void {
    this.stuck = stuck;
    this.world.clock.stop();
    this.world.hub.abandon();
  }

  private pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.world.clock.after(ms, resolve));
  }
}

const EMPTY: QueueStats = { ready: 0, delayed: 0, leased: 0, bytes: 0, dead: 0, expired: 0, purged: 0 };

function statsOf(store: Store, queue: string): Promise<QueueStats> {
  return store.stats(queueAddress("/", queue));
}

function termsOf({ hub, file }: Scenario): ConstructorParameters<typeof Checker>[0] {
  const { rules, graceMs, prefetchBytes } = hub.broker;
  return {
    rulesOf: (queue) => rules.of(queueAddress("/", queue)),
    graceMs,
    prefetchBytes,
    dedupWindowMs: file.dedupWindowMs,
    historyMessages: file.historyMessages,
  };
}
