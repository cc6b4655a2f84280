/** The name that was probably meant by one that is none, for messages. */

/** Slips of the pen that are still seen as one: a letter wrong, missing or too many, or two. */
const MAX_SLIPS = 2;

/** @returns the name that is closest to what was given, if it is close. */
export function nearestName(given: string, names: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let fewest = MAX_SLIPS + 1;
  for (const name of names) {
    const slips = countSlips(given.toLowerCase(), name.toLowerCase());
    if (slips < fewest) [nearest, fewest] = [name, slips];
  }
  return nearest;
}

/** Letters to change, leave out or put in to make one word of the other (Levenshtein's distance). */
function countSlips(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [line, letter] of [...one].entries()) {
    const next = [line + 1];
    for (let column = 0; column < other.length; column++) {
      const changed = (row[column] ?? 0) + Number(letter !== other[column]);
      next.push(Math.min(changed, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
