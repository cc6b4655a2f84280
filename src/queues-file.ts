/** The file of queue rules: what it may say, how it is read, and how its problems are told. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { SETTINGS, type Settings } from "./config";
import { nearestName } from "./nearest-name";
import { reasonOf } from "./protocol/errors";
import { isNamespace, isQueueName } from "./protocol/names";
import type { QueueAddress } from "./queue/message";
import { RuleBook, type Overflow, type QueueRule, type QueueRules } from "./queue/queue-rules";
import type { NumberSetting } from "./setting";

/** A file of queue rules that is not allowed, with every reason why. */
export class QueuesFileError extends Error {
  constructor(
    file: string,
    readonly problems: readonly string[],
  ) {
    const [first = "", ...more] = problems;
    const told = more.length === 0 ? ` ${first}` : `\n${problems.map((each) => `  ${each}`).join("\n")}`;
    super(`${SETTINGS.queuesFile.env}: ${file}:${told}`);
    this.name = "QueuesFileError";
  }
}

const OVERFLOWS = ["reject", "drop-oldest"] as const satisfies readonly Overflow[];
const MATCH_ALLOWED =
  'a queue with its namespace, in which * stands for any characters, such as "/caps:driver", or "*"';
const MAX_SHOWN = 60;

const RULES = {
  leaseMs: numberAs(SETTINGS.leaseMs),
  maxAttempts: numberAs(SETTINGS.maxAttempts),
  backoffMs: numberAs(SETTINGS.backoffMs),
  backoffMaxMs: numberAs(SETTINGS.backoffMaxMs),
  maxMessages: numberAs(
    SETTINGS.maxQueueMessages,
    "Messages that wait in the queue or are out, past which `overflow` says what happens.",
  ),
  maxBytes: numberAs(SETTINGS.maxQueueBytes, "The same in bytes of payload and headers, and 256 for each message."),
  overflow: z
    .enum(OVERFLOWS, OVERFLOWS.map((each) => `"${each}"`).join(" or "))
    .describe(
      "What becomes of one message more: the publish is refused as QUEUE_FULL, or the oldest ready message becomes a dead letter.",
    )
    .optional(),
  maxDeadLetters: numberAs(SETTINGS.maxDeadLetters),
  deadLetterExpired: trueOrFalse("Whether a message whose time to live passes becomes a dead letter."),
  exclusive: trueOrFalse(
    "Whether one consumer at a time is dealt to, the one that has been there longest; the next when it goes.",
  ),
} satisfies Record<keyof QueueRules, z.ZodType>;

/** @param namespaces those that the hub has; left out: any. */
function fileSchema(namespaces?: readonly string[]) {
  const match = z
    .string(MATCH_ALLOWED)
    .check(({ value, issues }) => {
      const message = wrongMatch(value, namespaces);
      if (message !== undefined) issues.push({ code: "custom", message, input: value });
    })
    .describe("The queues that this rule is for. Of rules that match one queue the last counts, setting by setting.");
  const rule = z.strictObject({ match, ...RULES }, "an object with a match and settings");
  return z
    .strictObject(
      { $schema: z.string("a text").optional(), queues: z.array(rule, "a list of rules") },
      'an object with "queues"',
    )
    .describe("Rules for Waybill's queues, by their names.");
}

/** The JSON Schema of the file, for editors. */
export function queuesFileSchema(): object {
  return z.toJSONSchema(fileSchema(), { target: "draft-7" });
}

/** What a queue has that no rule matches: the hub's settings. */
export function defaultRules(settings: Settings): QueueRules {
  const { leaseMs, maxAttempts, backoffMs, backoffMaxMs, maxQueueMessages, maxQueueBytes, maxDeadLetters } = settings;
  return {
    leaseMs,
    maxAttempts,
    backoffMs,
    backoffMaxMs,
    maxMessages: maxQueueMessages,
    maxBytes: maxQueueBytes,
    overflow: "reject",
    maxDeadLetters,
    deadLetterExpired: false,
    exclusive: false,
  };
}

/**
 * Reads the rules of the file that the settings name; none where they name no file.
 *
 * @throws QueuesFileError with all that is wrong.
 */
export function readQueuesFile(settings: Settings): readonly QueueRule[] {
  const { queuesFile: file, namespaces } = settings;
  if (file === "") return [];
  const given = readJson(file);
  const parsed = fileSchema(namespaces).safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) => tell(issue, given));
    throw new QueuesFileError(file, [...new Set(problems)]);
  }
  const { queues } = parsed.data;
  const problems = queues.flatMap((rule, index) => wrongTogether(effectiveRules(queues, rule, settings), index, rule));
  if (problems.length > 0) throw new QueuesFileError(file, problems);
  return queues;
}

/** What a queue has that this rule is for, and those others whose pattern includes this one's. */
export function effectiveRules(rules: readonly QueueRule[], { match }: QueueRule, settings: Settings): QueueRules {
  return new RuleBook(defaultRules(settings), rules).of(match as QueueAddress);
}

function readJson(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, "utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    throw new QueuesFileError(file, [`cannot be read: ${reasonOf(error)}`]);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = reasonOf(error).replaceAll(/\s+/g, " ");
    throw new QueuesFileError(file, [`is not JSON: ${reason}${placeIn(text, reason)}`]);
  }
}

/** Some versions of Node.js count characters only. */
function placeIn(text: string, reason: string): string {
  const position = reason.includes("line") ? undefined : /at position (\d+)/.exec(reason)?.[1];
  if (position === undefined) return "";
  const lines = text.slice(0, Number(position)).split("\n");
  return ` (line ${lines.length} column ${(lines.at(-1)?.length ?? 0) + 1})`;
}

function numberAs({ min, max, unit, allowed, about }: NumberSetting, description = about) {
  const text = unit === undefined ? allowed : `${allowed} (${unit})`;
  return z.int(text).min(min, text).max(max, text).describe(description).optional();
}

function trueOrFalse(description: string) {
  return z.boolean("true or false").describe(description).optional();
}

/** @returns what is allowed instead of this match. */
function wrongMatch(match: string, namespaces: readonly string[] | undefined): string | undefined {
  if (match === "*") return undefined;
  const [, namespace = "", pattern = ""] = /^(\/[^:]*):(.+)$/s.exec(match) ?? [];
  if (!isNamespace(namespace) || !isQueueName(pattern.replaceAll("*", "x"))) return MATCH_ALLOWED;
  if (namespaces === undefined || namespaces.includes(namespace)) return undefined;
  return `namespaces of ${SETTINGS.namespaces.env}, which are ${namespaces.join(",")}`;
}

function wrongTogether(
  { backoffMs, backoffMaxMs }: QueueRules,
  index: number,
  { match, backoffMaxMs: given }: QueueRule,
): string[] {
  if (backoffMaxMs >= backoffMs) return [];
  const [name, value, allowed] =
    given === undefined
      ? ["backoffMs", backoffMs, `at most its backoffMaxMs (${backoffMaxMs})`]
      : ["backoffMaxMs", backoffMaxMs, `at least its backoffMs (${backoffMs})`];
  return [`queues[${index}].${name} of "${match}": given ${value}; allowed: ${allowed}`];
}

/** One line for each thing that is wrong: where, what was given, what is allowed. */
function tell(issue: z.core.$ZodIssue, given: unknown): string[] {
  const place = `${placeText(issue.path)}${ownerText(issue, given)}`;
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => tellUnknown(place, key));
  return [`${place}: given ${show(valueAt(given, issue.path))}; allowed: ${issue.message}`];
}

function tellUnknown(place: string, key: string): string {
  const names = place === "the file" ? ["queues", "$schema"] : ["match", ...Object.keys(RULES)];
  const nearest = nearestName(key, names);
  const hint = nearest === undefined ? `allowed: ${names.join(", ")}` : `did you mean ${nearest}?`;
  return `${place}: there is no setting ${show(key)}; ${hint}`;
}

function placeText(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "the file";
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? String(step) : `${text}.${String(step)}`;
  }, "");
}

/** The match of the rule that a place is in, since people look for that rather than for a number. */
function ownerText({ path }: z.core.$ZodIssue, given: unknown): string {
  const match = valueAt(given, [...path.slice(0, 2), "match"]);
  return path.length >= 2 && path[2] !== "match" && typeof match === "string" ? ` of ${show(match)}` : "";
}

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  let value = given;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Object.getOwnPropertyDescriptor(value, step)?.value;
  }
  return value;
}

function show(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
