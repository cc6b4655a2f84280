/** Reads settings from a program, the environment and flags, and prints `.env.sample`. The table is in `config.ts`. */
import { SETTING_NAMES, SETTINGS, type SettingName, type Settings } from "./config";
import { reasonOf } from "./protocol/errors";
import { namespaceOf } from "./queue/message";
import { KIB, MIB, type Setting } from "./setting";
import { isLoopback } from "./transport/loopback";

/** Settings as they come: from a program, or as text from the environment and flags. */
export type GivenSettings = { readonly [Name in SettingName]?: unknown };

/** What whoever gave a setting calls it, for messages. */
export type Naming = (name: SettingName) => string;

/** As the environment and `.env` have it. */
export const asVariable: Naming = (name) => SETTINGS[name].env;

/** As a program has it, and the variable, which the docs speak of. */
export const asOption: Naming = (name) => `${name} (${SETTINGS[name].env})`;

/** A setting that is not allowed. Its message is one line: the setting as it was typed, what was given, what is allowed. */
export class SettingError extends Error {
  constructor(
    readonly setting: SettingName,
    message: string,
  ) {
    super(message);
    this.name = "SettingError";
  }
}

/**
 * Reads all settings; what is not given has its default.
 *
 * @param nameOf what each is called in messages.
 * @throws SettingError for the first one that is not allowed.
 */
export function readSettings(given: GivenSettings, nameOf: Naming = asVariable): Settings {
  const { settings, problems } = checkSettings(given, nameOf);
  const [first] = problems;
  if (first) throw first;
  return settings;
}

/** Reads all settings, with a default also in the place of those that are not allowed. */
export function checkSettings(
  given: GivenSettings,
  nameOf: Naming = asVariable,
): { settings: Settings; problems: readonly SettingError[] } {
  const problems: SettingError[] = [];
  const values = SETTING_NAMES.map((name) => {
    try {
      return [name, readSetting(name, given[name], nameOf)];
    } catch (error) {
      if (!(error instanceof SettingError)) throw error;
      problems.push(error);
      return [name, SETTINGS[name].default];
    }
  });
  const settings = Object.fromEntries(values) as Settings;
  return { settings, problems: problems.length > 0 ? problems : wrongTogether(settings, nameOf) };
}

/** Without tokens whoever reaches the hub may do anything as anyone. @throws SettingError where others could reach it. */
export function refuseToBindOpenly({ host, authSecret }: Settings, nameOf: Naming = asVariable): void {
  if (authSecret !== "" || isLoopback(host)) return;
  const allowed = `without ${nameOf("authSecret")} only a loopback address such as 127.0.0.1`;
  throw notAllowed("host", host, allowed, nameOf);
}

/** What of the settings an environment, or a parsed `.env`, gives. A variable that is set but empty gives nothing. */
export function settingsFromEnvironment(environment: Readonly<Record<string, string | undefined>>): GivenSettings {
  const given = SETTING_NAMES.map((name) => [name, environment[SETTINGS[name].env]?.trim()] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined && value !== ""));
}

/** Variables of the terminals, which read the same `.env`. */
const OF_CLIENTS = ["WAYBILL_URL", "WAYBILL_TOKEN"];

/** What of an environment, or of a parsed `.env`, looks like a setting and is none: mostly a slip of the pen. */
export function unknownSettings(environment: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set<string>([...OF_CLIENTS, ...SETTING_NAMES.map((name) => SETTINGS[name].env)]);
  return Object.keys(environment).filter((variable) => variable.startsWith("WAYBILL_") && !known.has(variable));
}

/** `leaseMs` is `--lease-ms`; the flag, as the environment, says the setting's short name. */
export function flagOf(name: SettingName): string | undefined {
  const setting: Setting<unknown> = SETTINGS[name];
  return setting.secret ? undefined : `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The text of `.env.sample`. */
export function envSample(): string {
  const entries = SETTING_NAMES.map((name) => {
    const setting: Setting<unknown> = SETTINGS[name];
    const unit = setting.unit === undefined ? "" : ` (${setting.unit})`;
    return `# ${setting.about}\n# Allowed: ${setting.allowed}${unit}.\n${setting.env}=${defaultText(name)}\n`;
  });
  return `# Settings of the hub, each with its default. Copy this file to .env and change what you need.\n\n${entries.join("\n")}`;
}

/** A setting's default as it would be written in the environment. */
export function defaultText(name: SettingName): string {
  const value: unknown = SETTINGS[name].default;
  return Array.isArray(value) ? value.join(",") : String(value);
}

function readSetting(name: SettingName, given: unknown, nameOf: Naming): unknown {
  const setting: Setting<unknown> = SETTINGS[name];
  if (given === undefined) return setting.default;
  let value: unknown;
  try {
    value = setting.read(given);
  } catch (error) {
    throw new SettingError(name, `${nameOf(name)}: ${reasonOf(error)}`);
  }
  if (value === undefined)
    throw notAllowed(name, given, setting.unit ? `${setting.allowed} (${setting.unit})` : setting.allowed, nameOf);
  return value;
}

/** Rules between settings. */
function wrongTogether(settings: Settings, nameOf: Naming): SettingError[] {
  const { maxPacketBytes, maxPayloadBytes, maxBufferedBytes, prefetch, maxPrefetch, backoffMs, backoffMaxMs } =
    settings;
  const problems = unknownNamespaces(settings, nameOf);
  const refuse = (name: SettingName, allowed: string) =>
    problems.push(notAllowed(name, settings[name], allowed, nameOf));
  // Room for the rest of the packet around the largest payload, or no client could send it.
  if (maxPacketBytes < maxPayloadBytes + 48 * KIB) {
    refuse("maxPacketBytes", `at least 48 KiB more than ${nameOf("maxPayloadBytes")}, which is ${maxPayloadBytes}`);
  }
  // Half of it is for deliveries, and the last of them comes on top of that.
  if (maxBufferedBytes < 2 * maxPayloadBytes + MIB) {
    refuse(
      "maxBufferedBytes",
      `at least 1 MiB more than twice ${nameOf("maxPayloadBytes")}, which is ${maxPayloadBytes}`,
    );
  }
  if (prefetch > maxPrefetch) refuse("prefetch", `at most ${nameOf("maxPrefetch")}, which is ${maxPrefetch}`);
  if (backoffMaxMs < backoffMs) refuse("backoffMaxMs", `at least ${nameOf("backoffMs")}, which is ${backoffMs}`);
  return problems;
}

/** Mostly a namespace that routes were written for, and that was not thought of where namespaces are listed. */
function unknownNamespaces({ routes, namespaces }: Settings, nameOf: Naming): SettingError[] {
  const routed = new Set(routes.flatMap(({ from, to }) => [from.namespace, namespaceOf(to)]));
  const unknown = [...routed].filter((namespace) => !namespaces.includes(namespace));
  if (unknown.length === 0) return [];
  const mended = [...namespaces, ...unknown].join(",");
  const allowed = `namespaces that the hub has; to give it these, set ${nameOf("namespaces")} to ${mended}`;
  return [notAllowed("routes", unknown.join(","), allowed, nameOf)];
}

function notAllowed(name: SettingName, given: unknown, allowed: string, nameOf: Naming): SettingError {
  const shown = SETTINGS[name].secret ? "a secret that is not shown" : describe(given);
  return new SettingError(name, `${nameOf(name)}: given ${shown}; allowed: ${allowed}`);
}

function describe(given: unknown): string {
  const shown = typeof given === "string" ? given : String(JSON.stringify(given));
  return `"${shown.length > 80 ? `${shown.slice(0, 80)}…` : shown}"`;
}
