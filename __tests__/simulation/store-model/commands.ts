import fc from "fast-check";
import type { DeadReason } from "../../../src/queue/message";

/** What is done to a store and its model. Numbers pick something; what there is to pick from is known when it is done. */

export interface AppendCommand {
  readonly kind: "append";
  /** One of the queues; past them, the room. */
  readonly target: number;
  readonly count: number;
  readonly priority: number;
  readonly group: number | undefined;
  readonly event: number;
  readonly delayMs: number | undefined;
  /** Whether the delay is given as a time of day. */
  readonly isFixed: boolean;
  readonly ttlMs: number | undefined;
  /** Says an id again that was used before. */
  readonly again: boolean;
}

export interface SettleCommand {
  readonly kind: "settle";
  readonly pick: number;
  readonly count: number;
  readonly action: "ack" | "retry" | "delay" | "dead" | "extend";
  readonly wrong: "attempt" | "holder" | undefined;
}

export interface LeaseCommand {
  readonly kind: "lease";
  readonly queue: number;
  readonly holders: number;
  readonly limit: number;
}

export type StepCommand =
  | AppendCommand
  | LeaseCommand
  | SettleCommand
  | { readonly kind: "tick"; readonly ms: number }
  | { readonly kind: "join"; readonly inbox: number; readonly replay: boolean }
  | { readonly kind: "leave"; readonly inbox: number };

export interface DeadCommand {
  readonly kind: "dead";
  readonly fate: "show" | "redrive" | "purge";
  readonly queue: number;
  /** Milliseconds between two that are put back. */
  readonly everyMs: number;
  /** Of the dead letters that there are, the ids of these. */
  readonly picks: readonly number[] | undefined;
  readonly reason: DeadReason | undefined;
  readonly event: number | undefined;
  readonly group: number | undefined;
  readonly error: string | undefined;
  /** From, or until, when the dead letter of this number died. */
  readonly diedFrom: number | undefined;
  readonly diedUntil: number | undefined;
  readonly limit: number | undefined;
}

export type Command =
  | StepCommand
  /** Made without waiting for each other. */
  | { readonly kind: "together"; readonly steps: readonly StepCommand[] }
  /** The same, while the store takes no writes. */
  | { readonly kind: "fault"; readonly steps: readonly StepCommand[] }
  | DeadCommand
  /** The clock is set. */
  | { readonly kind: "set clock"; readonly byMs: number }
  | { readonly kind: "restart"; readonly how: "closed" | "crashed" };

export const QUEUE_COUNT = 4;

/** @param percent how often there is a value. */
function sometimes<Value>(arbitrary: fc.Arbitrary<Value>, percent: number): fc.Arbitrary<Value | undefined> {
  return fc.oneof({ weight: 100 - percent, arbitrary: fc.constant(undefined) }, { weight: percent, arbitrary });
}

const step: fc.Arbitrary<StepCommand> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      target: fc.nat(QUEUE_COUNT),
      count: fc.oneof(
        { weight: 60, arbitrary: fc.integer({ min: 1, max: 12 }) },
        // More than a lane, or a group that is busy, keeps in memory.
        { weight: 1, arbitrary: fc.constant(150) },
      ),
      priority: fc.constantFrom(0, 4, 4, 9),
      group: sometimes(fc.nat(1), 40),
      event: fc.nat(1),
      delayMs: sometimes(fc.integer({ min: 1, max: 4_000 }), 30),
      isFixed: fc.boolean(),
      ttlMs: sometimes(fc.integer({ min: 1, max: 5_000 }), 30),
      again: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("lease" as const),
      queue: fc.nat(QUEUE_COUNT - 1),
      holders: fc.integer({ min: 1, max: 2 }),
      limit: fc.integer({ min: 1, max: 12 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("settle" as const),
      pick: fc.nat(100),
      count: fc.integer({ min: 1, max: 12 }),
      action: fc.constantFrom("ack", "ack", "retry", "delay", "dead", "extend"),
      wrong: sometimes(fc.constantFrom("attempt", "holder"), 10),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("tick" as const), ms: fc.constantFrom(0, 500, 2_000, 31_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("join" as const), inbox: fc.nat(1), replay: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave" as const), inbox: fc.nat(1) }) },
);

const together = fc.record({ kind: fc.constant("together" as const), steps: fc.array(step, { maxLength: 6 }) });
const fault = fc.record({ kind: fc.constant("fault" as const), steps: fc.array(step, { maxLength: 4 }) });
const dead: fc.Arbitrary<DeadCommand> = fc.record({
  kind: fc.constant("dead" as const),
  fate: fc.constantFrom("show", "redrive", "redrive", "purge"),
  queue: fc.nat(QUEUE_COUNT - 1),
  everyMs: fc.constantFrom(0, 0, 700.5),
  picks: sometimes(fc.array(fc.nat(20), { maxLength: 5 }), 30),
  reason: sometimes(fc.constantFrom("refused", "expired", "overflow"), 20),
  event: sometimes(fc.nat(1), 20),
  group: sometimes(fc.nat(1), 20),
  error: sometimes(fc.constantFrom("poison", "fail"), 20),
  diedFrom: sometimes(fc.nat(10), 20),
  diedUntil: sometimes(fc.nat(10), 20),
  limit: sometimes(fc.integer({ min: 1, max: 5 }), 20),
});
const setClock = fc.record({
  kind: fc.constant("set clock" as const),
  byMs: fc.constantFrom(-3_600_000, -1_500, 1_500, 3_600_000),
});
const restart = fc.record({ kind: fc.constant("restart" as const), how: fc.constantFrom("closed", "crashed") });

/** @param restarts how often the store is closed or crashes, against 40 plain steps. */
export function histories(maxLength: number, restarts: number): fc.Arbitrary<Command[]> {
  const command = fc.oneof<fc.MaybeWeightedArbitrary<Command>[]>(
    { weight: 40, arbitrary: step },
    { weight: 20, arbitrary: together },
    { weight: 4, arbitrary: fault },
    { weight: 4, arbitrary: dead },
    { weight: 2, arbitrary: setClock },
    { weight: restarts, arbitrary: restart },
  );
  return fc.array(command, { maxLength, size: "max" });
}
