import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { sign } from "jsonwebtoken";
import { readArguments, readClientId } from "../clients/terminal/arguments";
import { parseDuration } from "../clients/terminal/duration";
import { EXIT, type ExitCode } from "../clients/terminal/exit-codes";
import { SETTINGS } from "../src/config";
import { gatherSettings } from "../src/program-settings";
import { reasonOf } from "../src/protocol/errors";
import { readSettings } from "../src/read-config";

const DAY_MS = 24 * 60 * 60 * 1000;
const DEFAULT_EXPIRES_MS = 30 * DAY_MS;
const MAX_EXPIRES_DAYS = 3_650;

/** What a token allows. A list left out allows all of its kind; `invite` left out allows none. */
interface TokenClaims {
  namespaces?: string[];
  publish?: string[];
  consume?: string[];
  join?: string[];
  invite?: string[];
  operator?: true;
}

interface TokenOptions extends TokenClaims {
  expires: number;
}

/**
 * Prints a token, alone on standard output, so that it can be assigned; what it leaves open is said on standard error.
 *
 * @returns the code to exit with.
 */
export function runToken(argv: readonly string[]): ExitCode {
  const command = tokenCommand();
  const exit = readArguments(command, argv);
  if (exit !== undefined) return exit;
  const secret = readSecret(command);
  if (secret === undefined) return EXIT.USAGE;
  const { expires, ...claims } = command.opts<TokenOptions>();
  const clientId = String(command.processedArgs[0]);
  const token = sign(claims, secret, {
    algorithm: "HS256",
    subject: clientId,
    expiresIn: Math.ceil(expires / 1000),
  });
  warnOfOpenLists(clientId, claims);
  process.stdout.write(`${token}\n`);
  return EXIT.SETTLED;
}

/**
 * Whoever says what a client may publish means to bound it. Without a list of what it may consume it takes the work of
 * all others, and its acks end it.
 */
function warnOfOpenLists(clientId: string, { publish, consume, join, namespaces }: TokenClaims): void {
  if (publish === undefined || consume !== undefined) return;
  const open = [
    "consume every shared queue (--consume '' leaves its own inbox)",
    ...(join === undefined ? ["join every room (--join '' for none)"] : []),
    ...(namespaces === undefined ? ["connect to every namespace (--namespaces /caps for one)"] : []),
  ];
  process.stderr.write(`waybill token: what is left out is allowed: ${clientId} may ${open.join(", ")}\n`);
}

function tokenCommand(): Command {
  const list = (flag: string, about: string, read = readList): Option =>
    new Option(`--${flag} <list>`, about).argParser(read);
  return new Command("waybill token")
    .description(
      `Signs a token with ${SETTINGS.authSecret.env}. Lists are separated by commas and may hold patterns; '' allows nothing, and what is left out is allowed.`,
    )
    .addArgument(new Argument("<clientId>", "whom the token is for").argParser(readClientId))
    .addOption(
      new Option("--expires <duration>", "how long it is good for")
        .default(DEFAULT_EXPIRES_MS, "30d")
        .argParser(readLifetime),
    )
    .addOption(list("namespaces", "namespaces to connect to (all)", readNamespaces))
    .addOption(list("publish", "queues, inboxes (@name) and rooms (room:name) to publish to (all)"))
    .addOption(list("consume", "shared queues to consume (all)"))
    .addOption(list("join", "rooms to join, by their bare names (all)", readRooms))
    .addOption(list("invite", "rooms to put others in, by their bare names (none)", readRooms))
    .option("--operator", "puts clients in, and out of, every room; handles dead letters; asks why");
}

/** The hub's: read as the hub reads it, or what is signed with it would not be let in. */
function readSecret(command: Command): string | undefined {
  const { env } = SETTINGS.authSecret;
  try {
    const { given } = gatherSettings([], command.name(), command.description());
    const { authSecret } = readSettings({ authSecret: given.authSecret });
    if (authSecret !== "") return authSecret;
    process.stderr.write(
      `waybill token: ${env} is not set: put the hub's secret there, in the environment or in .env\n`,
    );
  } catch (error) {
    // A setting that is not allowed, or a file of them that cannot be read.
    process.stderr.write(`waybill token: ${reasonOf(error)}\n`);
  }
  return undefined;
}

/** No timer waits for it: it may be longer than the terminals' durations. */
function readLifetime(text: string): number {
  const lifetimeMs = parseDuration(text);
  if (lifetimeMs !== undefined && lifetimeMs >= 1 && lifetimeMs <= MAX_EXPIRES_DAYS * DAY_MS) return lifetimeMs;
  throw new InvalidArgumentError(`Write a duration such as 90m, 12h or 30d, up to ${MAX_EXPIRES_DAYS}d.`);
}

function readNamespaces(text: string): string[] {
  const patterns = readList(text);
  if (patterns.every((pattern) => /^[/*]/.test(pattern))) return patterns;
  throw new InvalidArgumentError("A namespace begins with a slash: /caps.");
}

/** Only where a token also speaks of queues is a room written with `room:`. With it, or any colon, it would match none. */
function readRooms(text: string): string[] {
  const rooms = readList(text);
  const wrong = rooms.find((room) => room.includes(":"));
  if (wrong === undefined) return rooms;
  throw new InvalidArgumentError(
    wrong.startsWith("room:")
      ? `Write the room's bare name, ${wrong.slice("room:".length)}: only --publish says room:.`
      : "A room's name has no colon.",
  );
}

/** An empty list is one that allows nothing. */
function readList(text: string): string[] {
  const entries = text.split(",").map((entry) => entry.trim());
  if (entries.length === 1 && entries[0] === "") return [];
  if (entries.includes("")) throw new InvalidArgumentError("Write names or patterns, separated by single commas.");
  return entries;
}
