import type { Outcome } from "./simulation";

/** Events of a message's life that are shown, the last ones. */
const SHOWN = 60;

/** What is wrong with a run, and how to see it again: the promise, the message's life, the seed. */
export function describeFailure({ seed, breaches, history }: Outcome): string {
  const [first] = breaches;
  if (first === undefined) return `seed ${seed}: every promise was kept`;
  const life = first.id === "" ? history.lines() : history.lifeOf(first.id);
  return [
    `seed ${seed} breaks a promise: ${first.promise}`,
    `  ${(first.at / 1000).toFixed(6)}: ${first.what}`,
    ...(breaches.length > 1 ? [`  and ${breaches.length - 1} more`] : []),
    `What happened to ${first.id === "" ? "all" : first.id}:`,
    ...life.slice(-SHOWN).map((line) => `  ${line.slice(0, 300)}`),
    `To see all of it: npm run sim -- --seed ${seed} --trace`,
  ].join("\n");
}
