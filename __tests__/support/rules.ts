import { RuleBook, type QueueRules } from "../../src/queue/queue-rules";

/** A hub's own rules, with what a test wants otherwise. */
export function rulesWith(rules: Partial<QueueRules> = {}): RuleBook {
  return new RuleBook({
    leaseMs: 30_000,
    maxAttempts: 10,
    backoffMs: 1_000,
    backoffMaxMs: 120_000,
    maxMessages: 1_000_000,
    maxBytes: 2 ** 30,
    overflow: "reject",
    maxDeadLetters: 100_000,
    deadLetterExpired: false,
    exclusive: false,
    ...rules,
  });
}
