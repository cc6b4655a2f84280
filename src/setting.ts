/** What a setting is, and the kinds that there are: lists, texts, counts, times and sizes. The settings are in `config.ts`. */

export interface Setting<Value> {
  readonly env: string;
  readonly unit?: "ms" | "bytes";
  readonly default: Value;
  /** What may be given, in words. */
  readonly allowed: string;
  /** What it does, and why its default is what it is. */
  readonly about: string;
  /** Never shown, and no flag: other users of a machine can read a process's flags. */
  readonly secret?: true;
  /**
   * Reads what was given, by a program or as text.
   *
   * @returns undefined when it is not allowed; or throws an Error that says what is wrong with it.
   */
  read(given: unknown): Value | undefined;
}

/** A setting that is a number within bounds. */
export interface NumberSetting extends Setting<number> {
  readonly min: number;
  readonly max: number;
}

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export function readList(given: unknown, isAllowed: (entry: string) => boolean): readonly string[] | undefined {
  const list: unknown[] | undefined = Array.isArray(given)
    ? given
    : typeof given === "string"
      ? given.split(",")
      : undefined;
  const entries = list?.map((entry) => (typeof entry === "string" ? entry.trim() : ""));
  return entries && entries.length > 0 && entries.every(isAllowed) ? [...new Set(entries)] : undefined;
}

export function setting<Value>(row: Setting<Value>): Setting<Value> {
  return row;
}

export function text(env: string, preset: string, allowed: string, about: string, form = /\S/): Setting<string> {
  const read = (given: unknown) => (typeof given === "string" && form.test(given.trim()) ? given.trim() : undefined);
  return { env, default: preset, allowed, about, read };
}

export function count(env: string, preset: number, min: number, max: number, about: string): NumberSetting {
  const read = (given: unknown) => {
    const value = typeof given === "string" && /^\d+$/.test(given.trim()) ? Number(given) : given;
    return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max ? value : undefined;
  };
  return { env, default: preset, allowed: `a whole number from ${min} to ${max}`, about, min, max, read };
}

export function time(env: string, preset: number, min: number, max: number, about: string): NumberSetting {
  return { ...count(env, preset, min, max, about), unit: "ms" };
}

export function size(env: string, preset: number, min: number, max: number, about: string): NumberSetting {
  return { ...count(env, preset, min, max, about), unit: "bytes" };
}
