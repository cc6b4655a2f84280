/** Where the hub's settings come from when it is a program: flags, the environment and `.env`, the first that has one. */
import { existsSync, readFileSync } from "node:fs";
import { Command } from "commander";
import { parse } from "dotenv";
import { SETTING_NAMES, SETTINGS } from "./config";
import {
  asVariable,
  defaultText,
  flagOf,
  settingsFromEnvironment,
  unknownSettings,
  type GivenSettings,
  type Naming,
} from "./read-config";
import type { Setting } from "./setting";

/** The settings or the command line are wrong, as the terminals have it: started again, they would be wrong again. */
export const EXIT_USAGE = 2;

export interface ProgramSettings {
  /** What was given, unread. */
  readonly given: GivenSettings;
  /** By the flag and the variable where a flag was given, else by the variable. */
  readonly nameOf: Naming;
  /** Variables that look like settings and are none. */
  readonly unknown: readonly string[];
}

/**
 * Gathers what a program was given. A flag that is none, and `--help`, end the process.
 *
 * @param argv flags, without the program's name.
 * @param command its name, for messages.
 * @param about what it does, for `--help`.
 */
export function gatherSettings(argv: readonly string[], command: string, about: string): ProgramSettings {
  const environment = { ...readEnvFile(), ...filled(process.env) };
  const flags = readFlags(argv, command, about);
  return {
    given: { ...settingsFromEnvironment(environment), ...flags },
    nameOf: (name) => (flags[name] === undefined ? asVariable(name) : `${flagOf(name) ?? name} (${asVariable(name)})`),
    unknown: unknownSettings(environment),
  };
}

/** A variable that is set but empty is not given, and does not hide what `.env` says. */
function filled(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim()));
}

function readEnvFile(): Record<string, string> {
  return existsSync(".env") ? parse(readFileSync(".env")) : {};
}

/** A flag for each setting that may have one. Flags are named after settings, so that commander's names are theirs. */
function readFlags(argv: readonly string[], name: string, about: string): GivenSettings {
  const command = new Command(name)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_USAGE))
    .description(
      `${about} Settings come from flags, the environment and .env, the first that has one; ${SETTINGS.authSecret.env} from the latter two only.`,
    )
    .showSuggestionAfterError(false)
    .configureOutput({
      outputError: (text, write) => write(`${name}: ${text.trim().replace(/^error: /, "")} (see ${name} --help)\n`),
    });
  for (const setting of SETTING_NAMES) {
    const { unit, about: what, env }: Setting<unknown> = SETTINGS[setting];
    const flag = flagOf(setting);
    const byDefault = defaultText(setting);
    const note = byDefault === "" ? env : `${env}, default ${byDefault}`;
    if (flag) command.option(`${flag} <${unit ?? "value"}>`, `${what} (${note})`);
  }
  return command.parse(argv, { from: "user" }).opts<GivenSettings>();
}
