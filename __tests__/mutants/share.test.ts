/** A few of the mutants, quick ones of several promises: `npm run test:mutants` tries them all. */
import path from "node:path";
import { Campaign } from "./campaign";
import { BROKEN_PROMISES } from "./table";
import type { Outcome } from "./verdict";

const SHARE = [
  "reply-before-commit",
  "stale-attempt-accepted",
  "group-not-held",
  "ids-of-all-queues-in-one-in-memory",
  "client-acks-before-the-handler-is-through",
  "overflow-drops-without-a-word",
];

test("quick mistakes of several promises are noticed", async () => {
  const mutants = BROKEN_PROMISES.flatMap(({ mutants }) => mutants).filter(({ name }) => SHARE.includes(name));
  const outcomes = new Map<string, Outcome>();
  const campaign = new Campaign({
    root: path.join(__dirname, "../.."),
    lanes: 1,
    say: () => {},
    judged: ({ name }, { outcome }) => outcomes.set(name, outcome),
  });
  try {
    await campaign.run(mutants);
  } finally {
    campaign.close();
  }
  expect(Object.fromEntries(outcomes)).toEqual(Object.fromEntries(SHARE.map((name) => [name, "caught"])));
}, 120_000);
