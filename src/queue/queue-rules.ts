import { compilePatterns } from "../protocol/names";
import type { QueueAddress } from "./message";
import type { RetryPolicy } from "./settlement";

/**
 * What a full queue does with one message more: refuse it, or make its oldest ready message a dead letter, of those that
 * wait for their group only when there is no other. What is out or delayed never goes.
 */
export type Overflow = "reject" | "drop-oldest";

/** How one queue behaves, and what it may hold. */
export interface QueueRules extends RetryPolicy {
  /** Milliseconds that a consumer has to settle a delivery, or to ask for more time. */
  readonly leaseMs: number;
  /** Messages that wait or are out, past which `overflow` says what happens. */
  readonly maxMessages: number;
  /** The same in bytes, as `sizeOf` counts. */
  readonly maxBytes: number;
  readonly overflow: Overflow;
  /** Dead letters that are kept; past it those that died first are purged, and counted. */
  readonly maxDeadLetters: number;
  /** Whether a message whose time to live passes becomes a dead letter. */
  readonly deadLetterExpired: boolean;
  /** Whether one consumer at a time is dealt to, the one that came first. */
  readonly exclusive: boolean;
}

/** Rules for the queues that a pattern matches; what it leaves out is as other rules or the hub's settings have it. */
export interface QueueRule extends Partial<QueueRules> {
  /** A queue with its namespace, in which `*` stands for any run of characters: `/caps:driver`, `/:@*`. */
  readonly match: string;
}

/** Past this many addresses the book forgets what it found: names that nobody uses must not pile up. */
const REMEMBERED = 100_000;

/** The rules of every queue, by its name. Of rules that match one queue the last says what counts, setting by setting. */
export class RuleBook {
  private rules: readonly { readonly matches: (name: string) => boolean; readonly given: Partial<QueueRules> }[] = [];
  private found = new Map<QueueAddress, QueueRules>();

  constructor(
    private readonly defaults: QueueRules,
    rules: readonly QueueRule[] = [],
  ) {
    this.replace(rules);
  }

  /** Puts other rules in force, for queues that exist as well. */
  replace(rules: readonly QueueRule[]): void {
    this.rules = rules.map(({ match, ...given }) => ({ matches: compilePatterns([match]), given }));
    this.found = new Map();
  }

  of(queue: QueueAddress): QueueRules {
    if (this.rules.length === 0) return this.defaults;
    const known = this.found.get(queue);
    if (known !== undefined) return known;
    let rules = this.defaults;
    for (const { matches, given } of this.rules) if (matches(queue)) rules = { ...rules, ...given };
    if (this.found.size >= REMEMBERED) this.found.clear();
    this.found.set(queue, rules);
    return rules;
  }
}
