import { InvalidArgumentError, Option, type Command } from "commander";
import { Manager, type Socket } from "socket.io-client";
import { reasonOf, WaybillError, type WireError } from "../../src/protocol/errors";
import { isNamespace, isQueueName } from "../../src/protocol/names";
import type { ClientToHubEvents, Limits, Welcome } from "../../src/protocol/wire";
import { Farewell } from "../hub-client/farewell";
import { asWelcome, connectRefusal, welcomeFault } from "../hub-client/wire-guards";
import { addHubOptions, type HubArguments } from "./arguments";
import { causeOf } from "./connection-lines";
import { EXIT, type ExitCode } from "./exit-codes";

/** Milliseconds in which a hub that is there welcomes and answers. */
const ANSWER_MS = 10_000;

/** What only an operator may ask. */
type Question = "dead" | "redrive" | "purge" | "why";
type RequestOf<Name extends Question> = Parameters<ClientToHubEvents[Name]>[0];
type ReplyTo<Name extends Question> = Parameters<Parameters<ClientToHubEvents[Name]>[1]>[0];

/** Asks the hub once. @throws Error when it refuses, or does not answer in time. */
export type Ask = <Name extends Question>(
  name: Name,
  request: RequestOf<Name>,
) => Promise<Extract<ReplyTo<Name>, { ok: true }>>;

/** A hub that has welcomed an operator. */
export interface OperatorLine {
  readonly ask: Ask;
  readonly limits: Limits;
}

export interface OperatorArguments extends HubArguments {
  namespace: string;
}

/** Where the hub and the queue are, and the operator's token. */
export function addOperatorOptions(command: Command): Command {
  return addHubOptions(command).addOption(
    new Option("--namespace <name>", "where the queue is").default("/caps").argParser(readNamespace),
  );
}

/**
 * Connects, has `work` ask what it wants to know, and disconnects. What goes wrong is said in one line on standard error.
 *
 * @returns the code to exit with: that of `work`, or what kept it from an answer.
 */
export async function askAsOperator(
  command: string,
  { url, token, namespace }: OperatorArguments,
  work: (line: OperatorLine) => Promise<ExitCode>,
): Promise<ExitCode> {
  const manager = new Manager(url, { autoConnect: false, reconnection: false, transports: ["websocket"] });
  const farewell = new Farewell(manager);
  // Not as a part of the URL: two slashes, or dots, would lead elsewhere.
  const socket = manager.socket(namespace, { auth: { clientId: token ? undefined : "operator", token } });
  const ask: Ask = async (name, request) => {
    const answered = socket
      .timeout(ANSWER_MS)
      .emitWithAck(name, request)
      .catch((error: unknown) => {
        throw new Error(`no answer from ${url} (${reasonOf(error)}): it may be done, or under way, all the same`);
      });
    const reply = (await answered) as ReplyTo<typeof name>;
    if (!reply.ok) throw new Refusal(reply.error);
    return reply as Extract<ReplyTo<typeof name>, { ok: true }>;
  };
  socket.connect();
  try {
    const { limits } = await welcomed(socket, url, namespace);
    return await work({ ask, limits });
  } catch (error) {
    process.stderr.write(`${command}: ${reasonOf(error)}\n`);
    return error instanceof Refusal || error instanceof WaybillError ? EXIT.REFUSED : EXIT.UNSETTLED;
  } finally {
    farewell.begin();
    socket.disconnect();
  }
}

class Refusal extends Error {
  constructor({ code, message }: WireError) {
    super(`${code}: ${message}`);
  }
}

/** @throws WaybillError when the hub refuses the connection; Error when there is none, or it stays silent. */
function welcomed(socket: Socket, url: string, namespace: string): Promise<Welcome> {
  return new Promise<Welcome>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no welcome from ${url} in ${ANSWER_MS} ms`)), ANSWER_MS);
    const settle = (outcome: () => void) => {
      clearTimeout(timer);
      outcome();
    };
    socket.once("welcome", (packet: unknown) => {
      const fault = welcomeFault(packet);
      settle(() =>
        fault === undefined ? resolve(asWelcome(packet)) : reject(new Error(`no hub at ${url} (${fault})`)),
      );
    });
    socket.once("connect_error", (error) => {
      const refusal = connectRefusal(error, url, namespace);
      const why = refusal ? WaybillError.fromWire(refusal) : new Error(`no hub at ${url} (${causeOf(error)})`);
      settle(() => reject(why));
    });
  });
}

export function readQueueName(text: string): string {
  if (isQueueName(text)) return text;
  throw new InvalidArgumentError(
    "A queue's name has 1 to 128 characters, without : or *; an inbox's is @ and its client's.",
  );
}

function readNamespace(text: string): string {
  if (isNamespace(text)) return text;
  throw new InvalidArgumentError("Write a namespace such as /caps.");
}
