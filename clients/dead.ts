import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { timeText } from "../src/protocol/fields";
import { DEAD_REASONS, type DeadConditions, type DeadLetterMessage, type DeadReason } from "../src/protocol/wire";
import { readArguments, readCount } from "./terminal/arguments";
import { parseDuration } from "./terminal/duration";
import { loadEnvironment } from "./terminal/environment";
import { EXIT, type ExitCode } from "./terminal/exit-codes";
import {
  addOperatorOptions,
  askAsOperator,
  readQueueName,
  type OperatorLine,
  type OperatorArguments,
} from "./terminal/operator";
import { shown } from "./terminal/screen";

const ACTIONS = ["list", "show", "redrive", "purge"] as const;
type Action = (typeof ACTIONS)[number];

/** Which dead letters are meant. */
interface Selection {
  id?: string[];
  event?: string;
  group?: string;
  reason?: DeadReason;
  error?: string;
  since?: string;
  until?: string;
}

const CONDITIONS = ["id", "event", "group", "reason", "error", "since", "until"] as const satisfies (keyof Selection)[];

interface DeadOptions extends OperatorArguments, Selection {
  all?: boolean;
  max?: number;
  perSecond?: number;
}

/** Letters asked for at a time, where the hub allows as many: all of them come with their payloads. */
const PAGE = 100;

/** `waybill dead`: looks at a queue's dead letters, puts them back, or throws them away. @returns the code to exit with. */
export async function runDead(argv: readonly string[]): Promise<ExitCode> {
  loadEnvironment();
  const command = deadCommand();
  const exit = readArguments(command, argv);
  if (exit !== undefined) return exit;
  const [action, queue] = command.processedArgs as [Action, string];
  const options = command.opts<DeadOptions>();
  return askAsOperator(command.name(), options, async (line) => {
    await RUN[action](line, queue, options);
    return EXIT.SETTLED;
  });
}

const RUN: Readonly<Record<Action, (line: OperatorLine, queue: string, options: DeadOptions) => Promise<void>>> = {
  async list(line, queue, options) {
    let count = 0;
    let total = 0;
    for await (const page of pages(line, queue, options)) {
      for (const letter of page.messages) print(describeLetter(letter));
      count += page.messages.length;
      total = page.total;
    }
    print(`${total} dead in ${place(queue, options)}${total > count ? `, ${count} shown` : ""}${hint(total)}`);
  },
  async show(line, queue, options) {
    const missing = new Set(options.id);
    for await (const { messages } of pages(line, queue, options)) {
      for (const message of messages) {
        missing.delete(message.id);
        print(JSON.stringify(message, undefined, 2));
      }
    }
    if (options.max === undefined) refuseMissing(missing, queue, options);
  },
  async redrive(line, queue, options) {
    const { max, perSecond, ...selection } = options;
    const missing = await findMissing(line, queue, options);
    const { redriven } = await line.ask("redrive", { ...conditions(queue, selection), max, perSecond });
    const rate = perSecond === undefined ? "" : `, at most ${perSecond} ready each second`;
    print(`${redriven} put back in ${place(queue, options)}${rate}${hint(redriven)}`);
    refuseMissing(missing, queue, options);
  },
  async purge(line, queue, options) {
    const { max, ...selection } = options;
    const missing = await findMissing(line, queue, options);
    const { purged } = await line.ask("purge", { ...conditions(queue, selection), max });
    print(`${purged} thrown away from ${place(queue, options)}${hint(purged)}`);
    refuseMissing(missing, queue, options);
  },
};

/** A queue of the same name in another namespace is another queue. */
function place(queue: string, { namespace }: DeadOptions): string {
  return `${queue} of ${namespace}`;
}

/** For whoever looks where there is nothing. */
function hint(count: number): string {
  return count === 0 ? " (--namespace looks in another)" : "";
}

/** The ids that were named and are not dead: the hub passes them over. */
async function findMissing(line: OperatorLine, queue: string, options: DeadOptions): Promise<ReadonlySet<string>> {
  const missing = new Set(options.id);
  if (missing.size === 0) return missing;
  for await (const { messages } of pages(line, queue, { ...options, max: undefined })) {
    for (const { id } of messages) missing.delete(id);
  }
  return missing;
}

/** @throws Error that names them, if there are any. */
function refuseMissing(missing: ReadonlySet<string>, queue: string, options: DeadOptions): void {
  if (missing.size === 0) return;
  const ids = [...missing].map((id) => shown(id)).join(", ");
  throw new Error(`no such dead letter in ${place(queue, options)}: ${ids}`);
}

/** What is meant, page by page; at least one page, for its total. */
async function* pages(
  { ask, limits }: OperatorLine,
  queue: string,
  { max = Infinity, ...selection }: Partial<DeadOptions>,
) {
  const pageSize = Math.min(PAGE, limits.maxBatch);
  let afterSeq: number | undefined;
  for (let left = max; left > 0;) {
    const page = await ask("dead", { ...conditions(queue, selection), limit: Math.min(left, pageSize), afterSeq });
    yield page;
    afterSeq = page.messages.at(-1)?.seq;
    if (afterSeq === undefined) return;
    left -= page.messages.length;
  }
}

function conditions(queue: string, { id, event, group, reason, error, since, until }: Selection): DeadConditions {
  return { queue, ids: id, event, group, reason, error, diedFrom: since, diedUntil: until };
}

function describeLetter({ id, event, diedAt, attempts, reason, error }: DeadLetterMessage): string {
  const tries = `${attempts} ${attempts === 1 ? "attempt" : "attempts"}`;
  const why = error === undefined ? "" : `: ${shown(error)}`;
  return `${diedAt}  ${shown(event)}  ${shown(id)}  ${reason}  ${tries}${why}`;
}

function deadCommand(): Command {
  const command = new Command("waybill dead")
    .description("Shows what left a queue unprocessed, puts it back, or throws it away. Needs an operator's token.")
    .addArgument(new Argument("<action>", "what to do").choices(ACTIONS))
    .addArgument(new Argument("<queue>", "a queue's name, or @ and a client's").argParser(readQueueName))
    .option("--id <id...>", "only the messages with these ids")
    .option("--event <event>", "only those of this event")
    .option("--group <group>", "only those of this group")
    .addOption(new Option("--reason <reason>", "only those that died of this").choices(DEAD_REASONS))
    .option("--error <text>", "only those whose error has this in it")
    .addOption(new Option("--since <time>", "only those that died then or later").argParser(readTime))
    .addOption(new Option("--until <time>", "only those that died then or before").argParser(readTime))
    .option("--all", "redrive or purge everything that is dead in the queue")
    .addOption(new Option("--limit, --max <n>", "at most n of them, in the order of the queue").argParser(readMax))
    .addOption(
      new Option("--per-second <n>", "redrive: how many become ready each second, at most (all)").argParser(readCount),
    )
    .action((action: Action, _queue: string, options: DeadOptions, command: Command) => {
      const problem = problemWith(action, options);
      if (problem !== undefined) command.error(problem);
    })
    .addHelpText("after", HELP);
  return addOperatorOptions(command);
}

/** What is contradictory, or would do more than was meant. */
function problemWith(action: Action, options: DeadOptions): string | undefined {
  if (action !== "redrive" && options.perSecond !== undefined) return "--per-second is for redrive";
  if (action === "list" || action === "show") return undefined;
  const isSelective = CONDITIONS.some((name) => options[name] !== undefined);
  if (isSelective === (options.all !== true)) return undefined;
  return isSelective
    ? "--all contradicts what else is said of which ones"
    : `${action} needs --all, or --id, --event or the like`;
}

const HELP = `
A time is an ISO time with its zone, such as 2026-01-31T12:00:00Z, or how long ago it was, such as 90m or 2d.
Reasons: refused by its consumer, no attempts left, expired, pushed out by the overflow of its queue.

Exit codes:
  0  done
  1  no hub, no answer, or an id that is no dead letter
  2  wrong command line
  3  refused by the hub (a wrong token, one that is not an operator's)`;

/** The option has two names: which of them counts would not be seen. */
function readMax(text: string, before: number | undefined): number {
  if (before !== undefined) throw new InvalidArgumentError("It is given twice, as --limit or --max.");
  return readCount(text);
}

/** A time as it is typed, as an ISO time. */
function readTime(text: string): string {
  const agoMs = parseDuration(text);
  if (agoMs !== undefined) return new Date(Date.now() - agoMs).toISOString();
  if (timeText.safeParse(text).success) return text;
  throw new InvalidArgumentError("Write an ISO time with its zone, or a duration such as 90m.");
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
