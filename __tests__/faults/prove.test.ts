import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { runProve } from "../../bin/prove";
import { CrashRecord } from "../../bin/prove/crash-record";
import { compileProgram, removeCompiled } from "../support/compiled";
import { stopHubProcesses, temporaryFolder } from "../support/hub-process";

let compiled = "";
beforeAll(() => {
  compiled = compileProgram();
}, 60_000);
afterAll(removeCompiled);
afterEach(stopHubProcesses);

test("prove says in words what the disk confirms, and that no crash cost anything, and leaves nothing behind", () => {
  const folder = temporaryFolder();
  const store = `sqlite:${path.join(folder, "data", "waybill.db")}`;
  const flags = ["prove", "--crashes", "4", "--seconds", "1", "--store", store];
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(compiled, "bin", "waybill.js"), ...flags], {
    cwd: folder,
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(stdout).toMatch(/fsync of 4 KiB +p50 \S+ ms, p99 \S+ ms \(\d+ times\)/);
  for (const inFlight of [1, 50, 500]) expect(stdout).toMatch(new RegExp(`${inFlight} in flight +p50 .* messages/s`));
  expect(stdout).toMatch(/This disk confirms \d+ messages\/s with 500 in flight \(p99 \S+ ms\)/);
  const [, confirmed] = /4 crashes, 0 of (\d+) confirmed messages lost, 0 other promises broken/.exec(stdout) ?? [];
  expect(Number(confirmed)).toBeGreaterThan(0);
  expect(status).toBe(0);
  expect(fs.readdirSync(folder)).toEqual([]);
}, 60_000);

test("prove finds out a store that confirms before it has stored", async () => {
  const folder = temporaryFolder();
  const written: string[] = [];
  const write = jest.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
  try {
    const child = path.join(compiled, "__tests__", "faults", "processes", "hasty-child.js");
    const flags = ["--crashes", "3", "--seconds", "1", "--store", `sqlite:${path.join(folder, "waybill.db")}`];
    expect(await runProve(flags, { child })).toBe(1);
  } finally {
    write.mockRestore();
  }
  const told = written.join("");
  const [, lost] = /3 crashes, (\d+) of \d+ confirmed messages lost/.exec(told) ?? [];
  expect(Number(lost)).toBeGreaterThan(0);
  expect(told).toMatch(
    /NOT SOUND: do not trust this store here.\n {2}after crash \d: message \d+ was confirmed, and is lost/,
  );
  expect(fs.readdirSync(folder)).toEqual([]);
}, 60_000);

/** `waybill prove` as it measures: its process, its exit code once it has ended, and its output as far as `until` says. */
async function startProve(folder: string, store: string, flags: readonly string[], until: string) {
  const argv = [path.join(compiled, "bin", "waybill.js"), "prove", "--seconds", "1", "--store", store, ...flags];
  const prove = spawn(process.execPath, argv, { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => prove.once("close", resolve));
  await new Promise<void>((resolve) => {
    let told = "";
    prove.stdout.on("data", (chunk: Buffer) => {
      told += chunk.toString();
      if (told.includes(until)) resolve();
    });
  });
  return { prove, ended };
}

test("prove that is interrupted leaves nothing behind", async () => {
  const folder = temporaryFolder();
  const store = `sqlite:${path.join(folder, "data", "waybill.db")}`;
  const { prove, ended } = await startProve(folder, store, [], "500 in flight");
  prove.kill("SIGINT");
  expect(await ended).toBe(130);
  expect(fs.readdirSync(folder)).toEqual([]);
}, 60_000);

test.each([
  ["ends", 0],
  ["is interrupted", 130],
])(
  "prove that %s leaves a store in peace that was made meanwhile in a folder of its making",
  async (_how, code) => {
    const folder = temporaryFolder();
    const store = `sqlite:${path.join(folder, "data", "stores", "waybill.db")}`;
    const { prove, ended } = await startProve(folder, store, ["--crashes", "1"], "trying ");
    const live = path.join(folder, "data", "live.db");
    fs.writeFileSync(live, "a hub's");
    if (code === 130) prove.kill("SIGINT");
    expect(await ended).toBe(code);
    expect(fs.readFileSync(live, "utf8")).toBe("a hub's");
    expect(fs.readdirSync(path.join(folder, "data"))).toEqual(["live.db"]);
  },
  60_000,
);

test("prove has nothing to try where nothing is kept", () => {
  const flags = [path.join(compiled, "bin", "waybill.js"), "prove", "--store", "memory:"];
  const { status, stderr } = spawnSync(process.execPath, flags, { encoding: "utf8" });
  expect(stderr).toBe("waybill: memory: keeps nothing on a disk: there is nothing to prove\n");
  expect(status).toBe(1);
});

test("prove says what is wrong with a setting, which is not a store that loses", () => {
  const flags = [path.join(compiled, "bin", "waybill.js"), "prove", "--store", "papyrus:"];
  const { status, stderr } = spawnSync(process.execPath, flags, { encoding: "utf8" });
  expect(stderr).toMatch(/^waybill: --store \(WAYBILL_STORE\): given "papyrus:"; allowed: [^\n]+\n$/);
  expect(status).toBe(2);
});

describe("the record of a crash test", () => {
  test.each([
    ["a confirmed message that is gone", ["c 1,2", "f 1:1:10"], "message 2 was confirmed, and is lost"],
    ["an ack that was taken back", ["c 1", "a 1:1", "k 1", "f 1:2:10"], "the ack of message 1 was taken back"],
    ["messages out of order", ["c 1,2", "f 2:1:11,1:1:10"], "message 1 is out of order"],
    ["an attempt given twice", ["c 1", "f 1:1:10", "f 1:1:10"], "attempt 1 of message 1 was given twice"],
  ])("notices %s", (_what, lines, failure) => {
    const record = new CrashRecord();
    for (const line of lines) record.note(line);
    expect(record.failures).toEqual([`after crash 0: ${failure}`]);
  });

  test("takes no offence at what was not confirmed: a message more, an ack that came to be", () => {
    const record = new CrashRecord();
    for (const line of ["c 1,2", "a 1:1", "f 2:1:11,3:1:12", "c 4", "f 2:2:11,3:2:12,4:1:13"]) record.note(line);
    expect(record.failures).toEqual([]);
  });
});
