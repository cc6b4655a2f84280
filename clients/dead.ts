import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { config as loadEnvFile } from "dotenv";
import { io } from "socket.io-client";
import { isNamespace, isQueueName } from "../src/protocol/names";
import type { WireError } from "../src/protocol/errors";
import type { DeadLetterMessage, DeadReply, PurgeReply, RedriveReply, Reply } from "../src/protocol/wire";
import { addHubOptions, readArguments, readCount, type HubArguments } from "./terminal/arguments";
import { causeOf } from "./terminal/connection-lines";
import { EXIT, type ExitCode } from "./terminal/exit-codes";
import { shown } from "./terminal/screen";

const ACTIONS = ["list", "show", "redrive", "purge"] as const;
type Action = (typeof ACTIONS)[number];

interface DeadOptions extends HubArguments {
  namespace: string;
  id?: string[];
  all?: boolean;
  limit: number;
}

/** Milliseconds in which a hub that is there connects and answers. */
const ANSWER_MS = 10_000;
const DEFAULT_LIMIT = 100;

type Ask = <Answer extends Reply<object>>(event: string, request: object) => Promise<Extract<Answer, { ok: true }>>;

/** `waybill dead`: looks at a queue's dead letters, puts them back, or throws them away. @returns the code to exit with. */
export async function runDead(argv: readonly string[]): Promise<ExitCode> {
  loadEnvFile({ quiet: true });
  const command = deadCommand();
  const exit = readArguments(command, argv);
  if (exit !== undefined) return exit;
  const [action, queue] = command.processedArgs as [Action, string];
  const options = command.opts<DeadOptions>();
  const socket = io(new URL(options.namespace, options.url).href, {
    auth: { clientId: options.token ? undefined : "operator", token: options.token },
    transports: ["websocket"],
    reconnection: false,
  });
  const ask: Ask = async (event, request) => {
    const reply = (await socket.timeout(ANSWER_MS).emitWithAck(event, request)) as Reply<object>;
    if (!reply.ok) throw new Refusal(reply.error);
    return reply as never;
  };
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("welcome", () => resolve());
      socket.once("connect_error", (error) =>
        reject(isRefusedConnect(error) ? error : new Error(`no hub at ${options.url} (${causeOf(error)})`)),
      );
    });
    await RUN[action](ask, queue, options);
    return EXIT.SETTLED;
  } catch (error) {
    process.stderr.write(`waybill dead: ${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof Refusal || isRefusedConnect(error) ? EXIT.REFUSED : EXIT.UNSETTLED;
  } finally {
    socket.disconnect();
  }
}

class Refusal extends Error {
  constructor({ code, message }: WireError) {
    super(`${code}: ${message}`);
  }
}

function isRefusedConnect(error: unknown): boolean {
  return error instanceof Error && "data" in error;
}

/** The dead letter with this id, on whichever page it is. @throws Error when there is none. */
async function findDead(ask: Ask, queue: string, id: string): Promise<DeadLetterMessage> {
  for (let afterSeq: number | undefined; ;) {
    const { messages } = await ask<DeadReply>("dead", { queue, afterSeq });
    const found = messages.find((message) => message.id === id);
    if (found) return found;
    afterSeq = messages.at(-1)?.seq;
    if (afterSeq === undefined) throw new Error(`no dead letter ${id} in ${queue}`);
  }
}

const RUN: Readonly<Record<Action, (ask: Ask, queue: string, options: DeadOptions) => Promise<void>>> = {
  async list(ask, queue, { limit }) {
    const { total, messages } = await ask<DeadReply>("dead", { queue, limit });
    for (const { id, event, diedAt, attempts, reason } of messages) {
      const tries = `${attempts} ${attempts === 1 ? "attempt" : "attempts"}`;
      print(`${diedAt}  ${shown(event)}  ${shown(id)}  ${tries}: ${shown(reason)}`);
    }
    print(`${total} dead in ${queue}${total > messages.length ? `, ${messages.length} shown` : ""}`);
  },
  async show(ask, queue, { id, limit }) {
    const messages = id
      ? await Promise.all(id.map((one) => findDead(ask, queue, one)))
      : (await ask<DeadReply>("dead", { queue, limit })).messages;
    for (const message of messages) print(JSON.stringify(message, undefined, 2));
  },
  async redrive(ask, queue, { id }) {
    const { redriven } = await ask<RedriveReply>("redrive", { queue, ids: id });
    print(`${redriven} put back in ${queue}`);
  },
  async purge(ask, queue, { id }) {
    const { purged } = await ask<PurgeReply>("purge", { queue, ids: id });
    print(`${purged} thrown away from ${queue}`);
  },
};

function deadCommand(): Command {
  return addHubOptions(
    new Command("waybill dead")
      .description("Shows what left a queue unprocessed, puts it back, or throws it away. Needs an operator's token.")
      .addArgument(new Argument("<action>", "what to do").choices(ACTIONS))
      .addArgument(
        new Argument("<queue>", "a queue's name, or @ and a client's").argParser((text) =>
          readAs(text, isQueueName, "That is no queue's name."),
        ),
      )
      .addOption(
        new Option("--namespace <name>", "where the queue is")
          .default("/caps")
          .argParser((text) => readAs(text, isNamespace, "Write a namespace such as /caps.")),
      )
      .option("--id <id...>", "only the messages with these ids")
      .option("--all", "redrive or purge everything that is dead in the queue")
      .addOption(new Option("--limit <n>", "show at most n").default(DEFAULT_LIMIT).argParser(readCount))
      .action((action: Action, _queue: string, { id, all }: DeadOptions, command: Command) => {
        if ((action === "redrive" || action === "purge") && (id === undefined) === (all !== true)) {
          command.error(`${action} needs either --id or --all`);
        }
      })
      .addHelpText("after", HELP),
  );
}

const HELP = `
Exit codes:
  0  done
  1  no hub, no answer, or no such dead letter
  2  wrong command line
  3  refused by the hub (a wrong token, one that is not an operator's)`;

function readAs(text: string, isAllowed: (text: string) => boolean, otherwise: string): string {
  if (isAllowed(text)) return text;
  throw new InvalidArgumentError(otherwise);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
