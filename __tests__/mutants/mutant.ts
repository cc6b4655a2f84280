import { readFileSync } from "node:fs";
import path from "node:path";

/** The tests that must notice a mistake: those of one file whose full name contains this text. */
export interface Suite {
  readonly file: string;
  readonly test: string;
}

/** A mistake that somebody could make in the product. */
export interface Mutant {
  readonly name: string;
  /** Path of the file that it is made in, from the repository's root. */
  readonly file: string;
  /** Text that occurs in the file exactly once, and what stands in its place. */
  readonly find: string;
  readonly replace: string;
  /** The narrowest tests that must fail. */
  readonly caughtBy: Suite;
  /** Why a test that waits in vain is all that can be seen of it. Left out: a timeout is not enough. */
  readonly hangs?: string;
}

/** What Waybill promises, and the mistakes that would break it. */
export interface BrokenPromise {
  /** As the README has it. */
  readonly promise: string;
  readonly mutants: readonly Mutant[];
}

/** The table and the code do not go together. */
export class TableError extends Error {}

/**
 * @returns the file's text with the mistake in it.
 * @throws TableError when the text to replace is not there exactly once: the code has moved.
 */
export function withMistake(source: string, { name, file, find, replace }: Mutant): string {
  const [before, after, ...more] = source.split(find);
  if (before !== undefined && after !== undefined && more.length === 0) return before + replace + after;
  const count = more.length > 0 ? `${more.length + 1} times` : "nowhere";
  throw new TableError(`${name}: its text is in ${file} ${count}, not once: the code has moved, mend the table`);
}

/** As `withMistake`, of a file below a root folder. */
export function readWithMistake(root: string, mutant: Mutant): string {
  return withMistake(readFileSync(path.join(root, mutant.file), "utf8"), mutant);
}
