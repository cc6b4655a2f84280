import { RuleBook, type QueueRule, type QueueRules } from "../../src/queue/queue-rules";
import type { BlockLimits } from "../../src/stores/sqlite/blocks";
import type { FileSettings } from "../../src/stores/sqlite/sqlite-file";
import type { ClientHabits } from "./clients/sim-client";
import type { MemberHabits } from "./clients/member";
import type { OperatorHabits } from "./clients/operator";
import type { PublisherHabits } from "./clients/publisher";
import type { WorkerHabits } from "./clients/worker";
import type { Random } from "./random";
import type { HubSettings } from "./world/sim-hub";

/** One thing that goes wrong. */
export type Fault =
  /** `during`: in the middle of the next commit, before the disk has it. */
  | { readonly kind: "crash"; readonly at: number; readonly during: boolean; readonly downMs: number }
  | { readonly kind: "restart"; readonly at: number; readonly downMs: number }
  | { readonly kind: "store lost"; readonly at: number; readonly downMs: number }
  | { readonly kind: "cut"; readonly at: number; readonly share: number }
  | { readonly kind: "half-open"; readonly at: number; readonly directions: readonly ("toHub" | "toClient")[] }
  | { readonly kind: "clock step"; readonly at: number; readonly ms: number }
  | { readonly kind: "disk full"; readonly at: number; readonly forMs: number }
  | { readonly kind: "write errors"; readonly at: number; readonly forMs: number; readonly percent: number }
  | { readonly kind: "slow disk"; readonly at: number; readonly forMs: number; readonly fsyncMs: number };

export type FaultKind = Fault["kind"];

/** All that a seed decides before a run begins. */
export interface Scenario {
  readonly activeMs: number;
  readonly hub: HubSettings;
  readonly file: FileSettings;
  readonly fsyncMs: number;
  readonly latencyMs: number;
  readonly noticeMs: number;
  readonly queues: readonly string[];
  readonly publishers: readonly (ClientHabits & PublisherHabits)[];
  readonly workers: readonly (ClientHabits & WorkerHabits)[];
  readonly members: readonly (ClientHabits & WorkerHabits & MemberHabits)[];
  readonly operator: (ClientHabits & OperatorHabits) | undefined;
  readonly faults: readonly Fault[];
}

const LARGE = 2 ** 30;

/**
 * Draws a scenario. Each one leaves out most of what there is: what a run has little else of, it has much of, and what
 * would hide one fault behind another is often absent.
 *
 * @param ofStorage decides how messages are stored, which changes nothing of the rest.
 */
export function drawScenario(random: Random, ofStorage: Random): Scenario {
  const activeMs = random.pick([4_000, 8_000, 15_000]);
  const queues = ["jobs", "mail", "logs"].slice(0, random.int(1, 3));
  const rooms = ["north", "south"].slice(0, random.int(1, 2));
  const memberCount = random.pick([0, 0, 1, 3]);
  const members = Array.from({ length: memberCount }, (_, index) => `member-${index}`);
  const leaseMs = random.pick([300, 1_000, 3_000]);
  const hub = drawHub(random, leaseMs, queues);
  const isFaulty = random.chance(0.9);
  const client = (): ClientHabits => ({
    resumes: random.pick([0, 0.7, 1]),
    reconnectMs: random.pick([50, 300, 1_500]),
    patienceMs: random.pick([300, 2_000, 10_000]),
  });
  const targets = [
    ...queues.map((queue) => ({ queue })),
    ...(memberCount > 0 ? rooms.map((room) => ({ room })) : []),
    ...members.slice(0, 1).map((name) => ({ client: name })),
  ];
  const leaves = random.pick([0, 0.3]);
  const looksBack = random.pick([0, 0.6]);
  const worker = drawWorkerHabits(random, leaseMs);
  return {
    activeMs,
    hub: { ...hub, leastInBlock: ofStorage.pick([1, 1, 2, 8]) },
    file: { ...drawFile(random), blockLimits: drawBlockLimits(ofStorage) },
    fsyncMs: random.pick([0.2, 1, 4, 15]),
    latencyMs: random.pick([0.3, 2, 10]),
    noticeMs: random.pick([600, 2_500]),
    queues,
    publishers: Array.from({ length: random.int(1, 3) }, () => ({
      ...client(),
      ...drawPublisher(random, targets, activeMs),
    })),
    workers: Array.from({ length: random.int(1, 4) }, () => ({ ...client(), ...worker, queues })),
    members: members.map((name) => ({
      ...client(),
      ...worker,
      queues: [`@${name}`],
      rooms,
      paceMs: activeMs / 6,
      leaves,
      looksBack,
    })),
    operator: random.chance(0.4)
      ? {
          ...client(),
          queues: [...queues, ...members.map((name) => `@${name}`)],
          paceMs: 700,
          purges: random.pick([0, 0.3]),
          paced: random.pick([0, 0.5]),
        }
      : undefined,
    faults: isFaulty ? drawFaults(random, activeMs) : [],
  };
}

function drawBlockLimits(random: Random): BlockLimits {
  return { goneLength: random.pick([-LARGE, 500, 5_000, LARGE]) };
}

function drawHub(random: Random, leaseMs: number, queues: readonly string[]): Omit<HubSettings, "leastInBlock"> {
  const rules = new RuleBook(drawRules(random, leaseMs), drawOwnRules(random, queues));
  return {
    broker: {
      rules,
      graceMs: random.pick([0, 150, 1_000]),
      prefetchBytes: random.pick([600, 3_000, LARGE]),
      tickMs: random.pick([20, 50, 250]),
      maxConsumersPerSession: 10,
      maxPayloadBytes: 10_000,
      maxUnconfirmedBytes: random.pick([500, LARGE, LARGE]),
      maxPublishPerSecond: random.pick([20, 0, 0, 0]),
    },
    ledger: {
      rules,
      maxQueues: 100,
      maxQueuesPerClient: 100,
      residentBytes: random.pick([1_000, 5_000, LARGE]),
      laneWindow: random.pick([1, 4, 16, LARGE]),
      historyMessages: HISTORY_MESSAGES,
    },
    prefetch: 10,
    drainMs: random.pick([0, 300, 1_500]),
  };
}

const HISTORY_MESSAGES = 200;

/** The hub's own rules. */
function drawRules(random: Random, leaseMs: number): QueueRules {
  return {
    leaseMs,
    maxAttempts: random.pick([2, 5, 20]),
    backoffMs: random.pick([0, 20, 200]),
    backoffMaxMs: 1_000,
    maxMessages: random.pick([8, 25, LARGE, LARGE]),
    maxBytes: random.pick([3_000, LARGE, LARGE]),
    overflow: random.pick(["reject", "reject", "reject", "drop-oldest"]),
    maxDeadLetters: random.pick([3, LARGE, LARGE]),
    deadLetterExpired: random.pick([false, false, true]),
    exclusive: false,
  };
}

/** What single queues have otherwise. */
function drawOwnRules(random: Random, queues: readonly string[]): QueueRule[] {
  const choices: Partial<QueueRules>[] = [
    { exclusive: true },
    { exclusive: true, leaseMs: 500 },
    { overflow: "drop-oldest", maxMessages: 10 },
    { deadLetterExpired: true, maxDeadLetters: 2 },
    { maxAttempts: 1 },
  ];
  return queues.flatMap((queue) => (random.chance(0.25) ? [{ match: `/:${queue}`, ...random.pick(choices) }] : []));
}

function drawFile(random: Random): FileSettings {
  return {
    dedupWindowMs: random.pick([1_500, 60_000, 60_000]),
    dedupMaxIds: 1_000_000,
    historyMessages: HISTORY_MESSAGES,
    historyMs: 3_600_000,
    maxEndings: 1_000,
    // The hub's own limit is higher: with these its file forgets at each start what holds nothing, or nothing at all.
    maxQueues: random.pick([1, 1_000]),
    maxQueuesPerClient: 1_000,
  };
}

function drawPublisher(random: Random, targets: PublisherHabits["targets"], activeMs: number): PublisherHabits {
  const batches = random.pick([3, 8, 20]);
  return {
    targets,
    batches,
    paceMs: (activeMs / batches) * random.pick([0.2, 0.8]),
    maxBatch: random.pick([1, 3, 8]),
    groups: ["a", "b", "c"].slice(0, random.int(1, 3)),
    grouped: random.pick([0, 0, 0.3, 1]),
    prioritized: random.pick([0, 0, 0.4]),
    delayed: random.pick([0, 0, 0.2]),
    dated: random.pick([0, 0, 0.2]),
    mortal: random.pick([0, 0, 0.2]),
    maxDelayMs: random.pick([300, 3_000]),
    maxTtlMs: random.pick([50, 2_000, 20_000]),
    repeats: random.pick([0, 0.3]),
    givesUp: random.pick([0, 0.5]),
    payloadBytes: random.pick([0, 40, 400]),
  };
}

function drawWorkerHabits(random: Random, leaseMs: number): Omit<WorkerHabits, "queues"> {
  return {
    leaseMs,
    prefetch: random.pick([1, 3, 20]),
    workMs: random.pick([1, 20, 150]),
    acks: random.pick([2, 6, 20]),
    nacks: random.pick([0, 0, 1]),
    kills: random.pick([0, 0, 0.5]),
    extends: random.pick([0, 0, 1]),
    stalls: random.pick([0, 0, 1]),
    forgets: random.pick([0, 0, 0.3]),
    exclusive: random.pick([0, 0, 0, 0.3]),
    fickle: random.pick([0, 0.05, 0.2]),
    meddles: random.pick([0, 0.1, 0.5]),
  };
}

function drawFaults(random: Random, activeMs: number): Fault[] {
  const kinds: [number, (at: number) => Fault][] = [
    [3, (at) => ({ kind: "crash", at, during: random.chance(0.7), downMs: random.pick([1, 100, 1_000]) })],
    [1, (at) => ({ kind: "restart", at, downMs: random.pick([1, 100, 1_000]) })],
    [0.5, (at) => ({ kind: "store lost", at, downMs: random.pick([1, 100]) })],
    [3, (at) => ({ kind: "cut", at, share: random.pick([0.2, 0.5, 1]) })],
    [2, (at) => ({ kind: "half-open", at, directions: random.pick([["toHub"], ["toClient"], ["toHub", "toClient"]]) })],
    [1, (at) => ({ kind: "clock step", at, ms: random.pick([-20_000, -3_000, -500, 500, 3_000, 20_000]) })],
    [1, (at) => ({ kind: "disk full", at, forMs: random.pick([200, 1_000]) })],
    [1, (at) => ({ kind: "write errors", at, forMs: random.pick([100, 1_000]), percent: random.pick([10, 50, 100]) })],
    [1, (at) => ({ kind: "slow disk", at, forMs: random.pick([300, 1_500]), fsyncMs: random.pick([40, 400]) })],
  ];
  // A few kinds a run, some of them many times over.
  const chosen = kinds.filter(() => random.chance(0.35));
  if (chosen.length === 0) return [];
  return Array.from({ length: random.pick([1, 3, 8, 15]) }, () =>
    random.weigh(chosen)(random.between(0, activeMs)),
  ).sort((a, b) => a.at - b.at);
}
