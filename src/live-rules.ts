import type { Settings } from "./config";
import { RuleBook, type QueueRule } from "./queue/queue-rules";
import { defaultRules, readQueuesFile } from "./queues-file";

/** The rules of a running hub: those of its file as it last read them, and, for a queue that none matches, its settings. */
export class LiveRules {
  readonly book: RuleBook;
  private rules: readonly QueueRule[];

  /** @throws QueuesFileError when the file is not allowed. */
  constructor(private readonly settings: Settings) {
    this.rules = readQueuesFile(settings);
    this.book = new RuleBook(defaultRules(settings), this.rules);
  }

  /**
   * Reads the file again and puts it in force, for queues that exist as well.
   *
   * @returns what has changed, a line each.
   * @throws QueuesFileError when the file is not allowed: then the former rules stay in force.
   */
  reload(): readonly string[] {
    const rules = readQueuesFile(this.settings);
    const changes = describeChanges(this.rules, rules);
    this.rules = rules;
    this.book.replace(rules);
    return changes;
  }
}

/** What a rule may set. */
type Value = string | number | boolean;

function describeChanges(before: readonly QueueRule[], after: readonly QueueRule[]): string[] {
  const former = byMatch(before);
  const current = byMatch(after);
  const added = [...current].filter(([key]) => !former.has(key));
  const removed = [...former.keys()].filter((key) => !current.has(key));
  const changed = [...current].flatMap(([key, rule]) => {
    const then = former.get(key);
    const differences = then === undefined ? [] : describeDifferences(then, rule);
    return differences.length === 0 ? [] : [`${key}: ${differences.join(", ")}`];
  });
  const kept = (of: ReadonlyMap<string, QueueRule>, other: ReadonlyMap<string, QueueRule>) =>
    [...of.keys()].filter((key) => other.has(key)).join("\n");
  const moved = kept(former, current) === kept(current, former) ? [] : ["the order of the rules has changed"];
  return [
    ...added.map(([key, rule]) => `${key}: new, ${describeRule(rule)}`),
    ...removed.map((key) => `${key}: removed`),
    ...changed,
    ...moved,
  ];
}

/** Where several rules have one match, the second is `match (2)`. */
function byMatch(rules: readonly QueueRule[]): Map<string, QueueRule> {
  const found = new Map<string, QueueRule>();
  for (const rule of rules) {
    let key = rule.match;
    for (let no = 2; found.has(key); no++) key = `${rule.match} (${no})`;
    found.set(key, rule);
  }
  return found;
}

function describeDifferences(before: QueueRule, after: QueueRule): string[] {
  const then = new Map<string, Value>(Object.entries(before));
  const now = new Map<string, Value>(Object.entries(after));
  return [...new Set([...then.keys(), ...now.keys()])]
    .filter((name) => then.get(name) !== now.get(name))
    .map((name) => `${name} ${describeValue(then.get(name))} -> ${describeValue(now.get(name))}`);
}

function describeRule(rule: QueueRule): string {
  const given = Object.entries(rule).filter(([name]) => name !== "match");
  return given.map(([name, value]) => `${name} ${value}`).join(", ") || "with no setting";
}

function describeValue(value: Value | undefined): string {
  return value === undefined ? "as elsewhere" : String(value);
}
