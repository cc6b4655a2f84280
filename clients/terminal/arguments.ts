import { CommanderError, InvalidArgumentError, Option, type Command } from "commander";
import { isName } from "../../src/protocol/names";
import { MAX_TIMER_MS } from "../hub-client/options";
import { parseDuration } from "./duration";
import { EXIT, type ExitCode } from "./exit-codes";

const DEFAULT_URL = "http://127.0.0.1:3000";

/** Where the hub is and how to prove who one is, as flags or from the environment. */
export interface HubArguments {
  url: string;
  /** Empty: not given. */
  token?: string;
}

export function addHubOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--url <url>", "where the hub is").env("WAYBILL_URL").default(DEFAULT_URL).argParser(readHubUrl),
    )
    .addOption(new Option("--token <jwt>", "proof of identity, where the hub asks for one").env("WAYBILL_TOKEN"));
}

/**
 * Reads a command line. What is wrong with it is said in one line on standard error.
 *
 * @returns the code to exit with, when the command line says all there is to do: it is wrong, or asks for help.
 */
export function readArguments(command: Command, argv: readonly string[]): ExitCode | undefined {
  command
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({
      outputError: (text, write) => {
        const problem = text
          .trim()
          .replace(/^error: /, "")
          // The parser's own words for this are hard to read.
          .replace(/^command-argument value ('.*') is invalid for argument '(\w+)'\./s, "the $2 cannot be $1.");
        write(`${command.name()}: ${problem} (see ${command.name()} --help)\n`);
      },
    });
  try {
    command.parse([...argv], { from: "user" });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT.SETTLED : EXIT.USAGE;
  }
}

export function readClientId(text: string): string {
  if (isName(text)) return text;
  throw new InvalidArgumentError("A name has 1 to 128 characters, without : or *, and does not begin with @.");
}

/** A duration of at least one millisecond, in milliseconds. */
export function readDuration(text: string): number {
  const durationMs = parseDuration(text);
  if (durationMs !== undefined && durationMs >= 1 && durationMs <= MAX_TIMER_MS) return durationMs;
  throw new InvalidArgumentError("Write a duration such as 200ms, 5s or 1m, from 1ms to 24 days.");
}

export function readCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && Number.isSafeInteger(count)) return count;
  throw new InvalidArgumentError("Write a whole number of at least 1.");
}

function readHubUrl(text: string): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : "";
  if (["http:", "https:", "ws:", "wss:"].includes(protocol)) return text;
  throw new InvalidArgumentError(`Write an address such as ${DEFAULT_URL}.`);
}
