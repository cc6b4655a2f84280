import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";

const ROOT = path.join(__dirname, "../..");
const PAGE = readFileSync(path.join(ROOT, "docs/guarantees.md"), "utf8");

/** A test file that the page names, with the tests that it says are in there, in double quotes behind it. */
const NAMED = [...PAGE.matchAll(/`(__tests__\/[\w./-]+)`((?:\s+(?:and )?"[^"`]+")*)/g)].map(
  ([, file = "", names = ""]) => ({
    file,
    tests: [...names.matchAll(/"([^"]+)"/g)].map(([, name = ""]) => name.replace(/\s+/g, " ")),
  }),
);

test("every test that docs/guarantees.md names is there", () => {
  const missing = NAMED.flatMap(({ file, tests }) => {
    if (!existsSync(path.join(ROOT, file))) return [file];
    const text = file.endsWith(".ts") ? readFileSync(path.join(ROOT, file), "utf8") : "";
    return tests.filter((name) => !text.includes(name)).map((name) => `${file}: ${name}`);
  });

  expect(NAMED.length).toBeGreaterThan(30);
  expect(missing).toEqual([]);
});

test("every promise that the promises' own suite holds has its chapter", () => {
  const suite = readFileSync(path.join(ROOT, "__tests__/integration/promises.test.ts"), "utf8");
  const promises = [...suite.matchAll(/test\("(\d\. [^"]+)"/g)].map(([, name = ""]) => name);

  expect(promises).toHaveLength(8);
  expect(promises.filter((name) => !PAGE.includes(`### ${name}\n`))).toEqual([]);
});

test("every suite of faults is spoken of", () => {
  const suites = readdirSync(path.join(ROOT, "__tests__/faults")).filter((name) => name.endsWith(".test.ts"));

  expect(suites.filter((name) => !PAGE.includes(`__tests__/faults/${name}`))).toEqual([]);
});
