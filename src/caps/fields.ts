import { WaybillError } from "../protocol/errors";

export type Fields = Readonly<Record<string, unknown>>;

/** Printable, so that it can stand in a message's id, in a log and in a terminal. */
const PRINTABLE = /^\P{C}{1,128}$/u;
const SHOWN_LENGTH = 60;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The text of a field in the first of its spellings that is there; a number counts as its digits, null as left out.
 *
 * @throws WaybillError `INVALID` that names the spelling met, when it holds no usable text.
 */
export function readText(fields: Fields, spellings: readonly string[]): string | undefined {
  for (const spelling of spellings) {
    const value = ownValue(fields, spelling);
    if (value === undefined || value === null) continue;
    const text = textOf(value);
    if (text === undefined) {
      throw new WaybillError("INVALID", `${spelling} must be 1 to 128 printable characters; given: ${show(value)}.`);
    }
    return text;
  }
  return undefined;
}

/** As `readText`, for what was stored by others: a field without usable text counts as left out. */
export function peekText(fields: Fields, spellings: readonly string[]): string | undefined {
  for (const spelling of spellings) {
    const text = textOf(ownValue(fields, spelling));
    if (text !== undefined) return text;
  }
  return undefined;
}

/** A value as an error message shows it: recognisable, and no longer than a line. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}

/** A value as a text that can be a name or an id; undefined when it cannot. */
export function textOf(value: unknown): string | undefined {
  const text = typeof value === "number" && Number.isFinite(value) ? String(value) : value;
  return typeof text === "string" && PRINTABLE.test(text) ? text : undefined;
}

/** Guard against names such as `constructor`, which every object has from its prototype. */
function ownValue(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}
