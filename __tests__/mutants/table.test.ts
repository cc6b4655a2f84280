import fs from "node:fs";
import path from "node:path";
import { checkTable } from "./campaign";
import { BROKEN_PROMISES } from "./table";

const ROOT = path.join(__dirname, "../..");
const MUTANTS = BROKEN_PROMISES.flatMap(({ mutants }) => mutants);

test("each mistake of the table can still be made: its text is in the code once, and it compiles", () => {
  expect(() => checkTable(ROOT, MUTANTS)).not.toThrow();
}, 60_000);

test("each names a file of tests that is there", () => {
  const missing = MUTANTS.filter(({ caughtBy }) => !fs.existsSync(path.join(ROOT, caughtBy.file)));
  expect(missing).toEqual([]);
});

test("there is one for each of the README's promises at the least", () => {
  const readme = fs.readFileSync(path.join(ROOT, "README.md"), "utf8");
  const promised = [...readme.matchAll(/^\d\. \*\*(?<promise>[^*]+)\.\*\*/gm)].map(({ groups }) => groups?.promise);
  expect(promised).toHaveLength(8);
  const broken = BROKEN_PROMISES.filter(({ mutants }) => mutants.length > 0).map(({ promise }) => promise);
  expect(broken).toEqual(expect.arrayContaining(promised));
});
