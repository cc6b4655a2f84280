import { SETTINGS, type Settings } from "../src/config";
import { gatherSettings } from "../src/program-settings";
import { reasonOf } from "../src/protocol/errors";
import type { QueueRule } from "../src/queue/queue-rules";
import { effectiveRules, QueuesFileError, queuesFileSchema, readQueuesFile } from "../src/queues-file";
import { checkSettings, refuseToBindOpenly, SettingError, type GivenSettings, type Naming } from "../src/read-config";

const OK = 0;
const PROBLEMS = 1;
const BAD_USAGE = 2;

const USAGE = `Usage: waybill config <command>

Commands:
  check [options]  reads all settings, and the file of queue rules, as waybill hub would with these options
  schema           prints the JSON Schema of the file of queue rules, for editors
`;

/** Tells whether a hub would start on what is configured here. @returns the code to exit with. */
export function runConfig([command, ...argv]: readonly string[]): number {
  switch (command) {
    case undefined:
      return refuse("a command is missing");
    case "check":
      return check(argv);
    case "schema":
      if (argv.length > 0) return refuse(`schema takes no ${argv.join(" ")}`);
      process.stdout.write(`${JSON.stringify(queuesFileSchema(), null, 2)}\n`);
      return OK;
    case "--help":
    case "-h":
      process.stdout.write(USAGE);
      return OK;
    default:
      return refuse(`no such command: ${command}`);
  }
}

function refuse(problem: string): number {
  process.stderr.write(`waybill config: ${problem} (see waybill config --help)\n`);
  return BAD_USAGE;
}

function check(argv: readonly string[]): number {
  const { given, nameOf, unknown } = gatherSettings(argv, "waybill config check", "Says whether the hub would start.");
  const { settings, problems } = findProblems(given, nameOf);
  for (const variable of unknown) process.stdout.write(`there is no setting ${variable}: it would not be looked at\n`);
  if (problems.length > 0) {
    process.stderr.write(`${problems.join("\n")}\n`);
    return PROBLEMS;
  }
  if (settings.queuesFile === "") {
    process.stdout.write(`ok: no ${SETTINGS.queuesFile.env}, every queue is as the settings say\n`);
    return OK;
  }
  const rules = readQueuesFile(settings);
  process.stdout.write(`ok: ${settings.queuesFile}\n${rules.map((rule) => describe(rules, rule, settings)).join("")}`);
  return OK;
}

/** All that would keep a hub from starting, short of what only a start can tell. */
function findProblems(given: GivenSettings, nameOf: Naming): { settings: Settings; problems: string[] } {
  const { settings, problems } = checkSettings(given, nameOf);
  const messages = problems.map(reasonOf);
  if (messages.length === 0) collect(messages, () => refuseToBindOpenly(settings, nameOf));
  // Where these are wrong, what the file says of namespaces cannot be judged.
  if (!problems.some(({ setting }) => setting === "namespaces")) collect(messages, () => readQueuesFile(settings));
  return { settings, problems: messages };
}

function collect(messages: string[], attempt: () => unknown): void {
  try {
    attempt();
  } catch (error) {
    if (!(error instanceof SettingError || error instanceof QueuesFileError)) throw error;
    messages.push(error.message);
  }
}

/** What the queues of a rule have, from it, from others that include it, and from the hub's settings. */
function describe(rules: readonly QueueRule[], rule: QueueRule, settings: Settings): string {
  const effective = Object.entries(effectiveRules(rules, rule, settings));
  return `${rule.match}: ${effective.map(([name, value]) => `${name} ${String(value)}`).join(", ")}\n`;
}
