import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.join(__dirname, "../..");
const PAGE = readFileSync(path.join(ROOT, "docs/architecture.md"), "utf8");

test("every file and folder that docs/architecture.md names is there", () => {
  const named = [...PAGE.matchAll(/`((?:src|clients|bin|__tests__|docs)\/[\w./-]+)`/g)].map(([, name = ""]) => name);
  const missing = named.filter((name) => !existsSync(path.join(ROOT, name)));

  expect(named.length).toBeGreaterThan(20);
  expect(missing).toEqual([]);
});

test("everything at the top of src is spoken of, and every folder of tests", () => {
  const parts = [
    ...readdirSync(path.join(ROOT, "src")).map((name) => `src/${name}`),
    ...readdirSync(path.join(ROOT, "__tests__"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `__tests__/${name}`),
  ];
  const unspoken = parts.filter((name) => !PAGE.includes(name));

  expect(unspoken).toEqual([]);
});
