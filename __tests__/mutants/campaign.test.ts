/** The runner itself, on a program of one function that promises two things. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Campaign } from "./campaign";
import type { Mutant } from "./mutant";
import type { Outcome, Verdict } from "./verdict";

// Each of them runs jest itself, some more than once.
jest.setTimeout(120_000);

const ROOT = path.join(__dirname, "../..");
const FILES = {
  "src/clamp.ts": `
    /** The value, or the bound that it is past. */
    export function clamp(value: number, low: number, high: number): number {
      if (value < low) return low;
      for (let left = 3; left > 0; left--) if (value > high) return high;
      return value;
    }
  `,
  "__tests__/clamp.test.ts": `
    import { clamp } from "../src/clamp";
    test("is not below", () => expect(clamp(1, 2, 4)).toBe(2));
    test("is not above", () => expect(clamp(5, 2, 4)).toBe(4));
    test("comes in time", async () => {
      while (clamp(3, 2, 4) !== 3) await new Promise((resolve) => setTimeout(resolve, 50));
    });
    test("is wrong from the start", () => expect(clamp(1, 2, 4)).toBe(1));
  `,
  "tsconfig.json": fs.readFileSync(path.join(ROOT, "tsconfig.json"), "utf8"),
  "package.json": "{}",
  "jest.config.js": `module.exports = {
    testMatch: ["**/*.test.ts"],
    testTimeout: 1000,
    transform: { "^.+\\\\.ts$": ["ts-jest", { tsconfig: "tsconfig.json" }] },
  };`,
};

let root: string;
let campaign: Campaign | undefined;
let verdicts: Map<string, Verdict>;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-mutants-test-"));
  for (const [file, text] of Object.entries(FILES)) {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    fs.writeFileSync(path.join(root, file), text);
  }
  fs.symlinkSync(fs.realpathSync(path.join(ROOT, "node_modules")), path.join(root, "node_modules"));
});

afterEach(() => {
  campaign?.close();
  fs.rmSync(root, { recursive: true, force: true });
});

const BELOW: Mutant = {
  name: "below",
  file: "src/clamp.ts",
  find: "if (value < low) return low;",
  replace: "",
  caughtBy: { file: "__tests__/clamp.test.ts", test: "is not below" },
};
const byTest = (test: string) => ({ ...BELOW.caughtBy, test });
const WAITING = { ...BELOW, find: "return value;", replace: "return value + 1;", caughtBy: byTest("comes in time") };

function run(...mutants: Mutant[]): Promise<boolean> {
  verdicts = new Map();
  campaign = new Campaign({
    root,
    lanes: 2,
    say: () => {},
    judged: ({ name }, verdict) => verdicts.set(name, verdict),
  });
  return campaign.run(mutants);
}

/** What it must say of a mutant, and in which words. */
function verdict(outcome: Outcome, detail: string | RegExp): object {
  return { outcome, detail: expect.stringMatching(detail) as string };
}

test("tells mistakes that a test noticed from those that none did, or not for what was promised", async () => {
  const allCaught = await run(
    BELOW,
    { ...BELOW, name: "unnoticed", caughtBy: byTest("is not above") },
    { ...BELOW, name: "crashes", replace: "if (value < low) return value.toFixed(200).length;" },
    { ...WAITING, name: "waits in vain" },
    { ...WAITING, name: "waits in vain, as it must", hangs: "there is nothing else to see" },
  );
  expect(allCaught).toBe(false);
  expect(Object.fromEntries(verdicts)).toEqual({
    below: verdict("caught", "is not below"),
    unnoticed: verdict("survived", "no test noticed"),
    crashes: verdict("not caught properly", /^it broke the program: RangeError/),
    "waits in vain": verdict("not caught properly", /^it only made a test wait: comes in time/),
    "waits in vain, as it must": verdict("caught", /^comes in time/),
  });
});

test("is content when all were noticed, and leaves the sources as they were", async () => {
  expect(
    await run(BELOW, {
      ...BELOW,
      name: "above",
      find: "value > high",
      replace: "value > high + 1",
      caughtBy: byTest("is not above"),
    }),
  ).toBe(true);
  expect([...verdicts.keys()].sort()).toEqual(["above", "below"]);
  expect(fs.readFileSync(path.join(root, BELOW.file), "utf8")).toBe(FILES["src/clamp.ts"]);
});

test("tries nothing while a test fails without any mistake, or there is none of that name", async () => {
  await expect(run({ ...BELOW, caughtBy: byTest("is wrong from the start") })).rejects.toThrow(
    /fail without any mistake:\nis wrong from the start: /,
  );
  campaign?.close();
  await expect(run({ ...BELOW, caughtBy: byTest("is of another kind") })).rejects.toThrow(
    'below: no test of __tests__/clamp.test.ts is called "is of another kind"',
  );
  expect(verdicts.size).toBe(0);
});

test("tries nothing while the table is not true, and tells everything that is wrong with it", async () => {
  const wrong = run(
    { ...BELOW, name: "moved", find: "if (value < lowest)" },
    { ...BELOW, name: "common", find: "value" },
    { ...BELOW, name: "no TypeScript", replace: "if (value <<< low) return low;" },
    { ...BELOW, name: "no number", replace: 'return "low";' },
    BELOW,
    BELOW,
  );
  await expect(wrong).rejects.toThrow(
    "moved: its text is in src/clamp.ts nowhere, not once: the code has moved, mend the table",
  );
  await expect(wrong).rejects.toThrow(/common: its text is in src\/clamp.ts \d+ times, not once/);
  await expect(wrong).rejects.toThrow("no TypeScript does not compile: ");
  await expect(wrong).rejects.toThrow("no number does not compile: Type 'string' is not assignable to type 'number'.");
  await expect(wrong).rejects.toThrow("below: two mutants have this name");
  await expect(wrong).rejects.not.toThrow("below does not compile");
});
