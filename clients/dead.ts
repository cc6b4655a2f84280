import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { config as loadEnvFile } from "dotenv";
import { io } from "socket.io-client";
import { isNamespace, isQueueName } from "../src/protocol/names";
import type { WireError } from "../src/protocol/errors";
import type { DeadReply, PurgeReply, RedriveReply, Reply } from "../src/protocol/wire";
import { addHubOptions, readArguments, readCount, type HubArguments } from "./terminal/arguments";
import { EXIT, type ExitCode } from "./terminal/exit-codes";

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
  const socket = io(options.url + options.namespace, {
    auth: { clientId: options.token === undefined ? "operator" : undefined, token: options.token },
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
      socket.once("connect_error", reject);
    });
    await RUN[action](ask, queue, options);
    return EXIT.SETTLED;
  } catch (error) {
    process.stderr.write(`dead: ${error instanceof Error ? error.message : String(error)}\n`);
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

const RUN: Readonly<Record<Action, (ask: Ask, queue: string, options: DeadOptions) => Promise<void>>> = {
  async list(ask, queue, { limit }) {
    const { total, messages } = await ask<DeadReply>("dead", { queue, limit });
    for (const { id, event, diedAt, attempts, reason } of messages) {
      print(`${diedAt}  ${event}  ${id}  ${attempts} ${attempts === 1 ? "attempt" : "attempts"}: ${reason}`);
    }
    print(`${total} dead in ${queue}${total > messages.length ? `, ${messages.length} shown` : ""}`);
  },
  async show(ask, queue, { id, limit }) {
    const { messages } = await ask<DeadReply>("dead", { queue, limit });
    for (const message of messages) {
      if (id === undefined || id.includes(message.id)) print(JSON.stringify(message, undefined, 2));
    }
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
    new Command("dead")
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
      }),
  );
}

function readAs(text: string, isAllowed: (text: string) => boolean, otherwise: string): string {
  if (isAllowed(text)) return text;
  throw new InvalidArgumentError(otherwise);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
