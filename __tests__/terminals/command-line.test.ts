import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decode, verify } from "jsonwebtoken";
import { runDead } from "../../clients/dead";
import { runDriver } from "../../clients/driver";
import { runVendor } from "../../clients/vendor";
import { runWhy } from "../../clients/why";
import { runToken } from "../../bin/token";
import manifest from "../../package.json";
import { stopHubProcesses, temporaryFolder } from "../support/hub-process";
import { ScriptedHub } from "../support/scripted-hub";
import { TerminalProcess } from "./terminal-process";

const RUN = { vendor: runVendor, driver: runDriver, dead: runDead, why: runWhy, token: runToken };
type Command = keyof typeof RUN;

afterEach(stopHubProcesses);

/** What a command writes to a stream while it runs in this process. */
async function run(command: Command, args: string): Promise<{ code: number; out: string; complaints: string }> {
  let [out, complaints] = ["", ""];
  const stdout = jest.spyOn(process.stdout, "write").mockImplementation((text) => Boolean((out += String(text))));
  const stderr = jest
    .spyOn(process.stderr, "write")
    .mockImplementation((text) => Boolean((complaints += String(text))));
  try {
    const code = await RUN[command](args.split(" ").filter(Boolean));
    return { code, out, complaints };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

test.each<[Command, string]>([
  ["vendor", ""],
  ["vendor", "@acme"],
  ["vendor", "a:b"],
  ["vendor", "acme extra"],
  ["vendor", "acme --every 5"],
  ["vendor", "acme --every 0s"],
  ["vendor", "acme --every 25d"],
  ["vendor", "acme --count 0"],
  ["vendor", "acme --count 1.5"],
  ["vendor", "acme --every off --count 3"],
  ["vendor", "acme --driver @d1"],
  ["vendor", "acme --url nonsense"],
  ["vendor", "acme --url ftp://localhost"],
  ["vendor", "acme --bogus"],
  ["driver", ""],
  ["driver", "d1 --work soon"],
  ["driver", "d1 --transit -1s"],
  ["driver", "d1 --capacity none"],
  ["dead", ""],
  ["dead", "list"],
  ["dead", "bury driver"],
  ["dead", "list a:b"],
  ["dead", "list driver --namespace caps"],
  ["dead", "list driver --reason boredom"],
  ["dead", "list driver --since yesterday"],
  ["dead", "list driver --until 2026-01-31T12:00:00"],
  ["dead", "list driver --max 0"],
  ["dead", "list driver --max 5 --limit 6"],
  ["dead", "list driver --per-second 5"],
  ["dead", "redrive driver"],
  ["dead", "redrive driver --max 5"],
  ["dead", "redrive driver --all --per-second 0"],
  ["dead", "purge driver --all --event pickup"],
  ["why", ""],
  ["why", "m-1 m-2"],
  ["why", "m-1 --queue a:b"],
  ["why", "m-1 --namespace caps"],
  ["token", ""],
  ["token", "@acme"],
  ["token", "acme --expires never"],
  ["token", "acme --expires 0s"],
  ["token", "acme --expires 3651d"],
  ["token", "acme --publish a,,b"],
  ["token", "acme --namespaces caps"],
  ["token", "acme --join room:north"],
  ["token", "acme --join south,room:north-*"],
  ["token", "acme --invite room:north"],
  ["token", "acme --invite a:b"],
])("%s %s: one line, exit code 2", async (command, args) => {
  const { code, out, complaints } = await run(command, args);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(complaints).toMatch(new RegExp(`^waybill ${command}: [^\\n]+ \\(see waybill ${command} --help\\)\\n$`));
});

test.each<[Command, string, string]>([
  ["dead", "lst driver", "the action cannot be 'lst'. Allowed choices are list, show, redrive, purge."],
  ["dead", "list a:b", "the queue cannot be 'a:b'. A queue's name has 1 to 128 characters, without : or *;"],
  ["vendor", "@acme", "the store cannot be '@acme'. A name has 1 to 128 characters,"],
])("%s %s: says what cannot be what", async (command, args, problem) => {
  expect((await run(command, args)).complaints).toContain(`waybill ${command}: ${problem}`);
});

test.each(["vendor", "driver", "dead", "why"] as const)("%s --help tells of every exit code", async (command) => {
  const { code, out } = await run(command, "--help");
  expect(code).toBe(0);
  for (const exit of [0, 1, 2, 3]) expect(out).toMatch(new RegExp(`^ {2}${exit} {2}\\S`, "m"));
});

test("a token's rooms are written as its claims have them: with room: only among what may be published to", async () => {
  const refused = await run("token", "acme --join room:north");
  expect(refused.complaints).toContain("Write the room's bare name, north: only --publish says room:.");
  jest.replaceProperty(process, "env", { ...process.env, WAYBILL_AUTH_SECRET: "s".repeat(32) });
  const { code, out } = await run("token", "acme --join north,* --invite north --publish room:north");
  expect(code).toBe(0);
  expect(decode(out.trim())).toMatchObject({ join: ["north", "*"], invite: ["north"], publish: ["room:north"] });
});

describe("what a token leaves open beside what it bounds is said on standard error, which is not the token", () => {
  test.each([
    ["--publish driver", ["consume every shared queue", "join every room", "connect to every namespace"]],
    ["--publish driver --join= --namespaces /caps", ["consume every shared queue"]],
    ["--publish driver --consume=", []],
    ["--consume driver", []],
    ["", []],
  ])("acme %s", async (args, open) => {
    jest.replaceProperty(process, "env", { ...process.env, WAYBILL_AUTH_SECRET: "s".repeat(32) });
    const { code, out, complaints } = await run("token", `acme ${args}`);
    expect({ code, sub: decode(out.trim())?.sub }).toEqual({ code: 0, sub: "acme" });
    const said = ["consume every shared queue", "join every room", "connect to every namespace"];
    expect(said.filter((right) => complaints.includes(right))).toEqual(open);
    expect(complaints).toMatch(
      open.length > 0 ? /^waybill token: what is left out is allowed: acme may [^\n]+\n$/ : /^$/,
    );
  });
});

describe("a variable that is set but empty is not given, as with the hub's settings: what .env says counts", () => {
  const secret = "s".repeat(32);

  function folderWith(lines: readonly string[]): string {
    const folder = temporaryFolder();
    writeFileSync(join(folder, ".env"), lines.join("\n"));
    return folder;
  }

  test("WAYBILL_URL, also where it is empty in .env as well", async () => {
    const hub = await ScriptedHub.start();
    try {
      const asked = await Promise.all(
        [[`WAYBILL_URL=${hub.url}`], ["WAYBILL_URL=", "WAYBILL_TOKEN="]].map((lines, index) => {
          const flag = index === 0 ? "" : `--url ${hub.url}`;
          return new TerminalProcess(`why m-1 --namespace / ${flag}`, { WAYBILL_URL: " " }, folderWith(lines)).ended;
        }),
      );
      for (const { complaints } of asked) expect(complaints).toBe("waybill why: FORBIDDEN: not an operator\n");
      expect(hub.handshakes).toEqual([{ clientId: "operator" }, { clientId: "operator" }]);
    } finally {
      await hub.stop();
    }
  });

  test("WAYBILL_AUTH_SECRET, which is trimmed", async () => {
    const cwd = folderWith([`WAYBILL_AUTH_SECRET=${secret}`]);
    const { lines } = await new TerminalProcess("token acme", { WAYBILL_AUTH_SECRET: "" }, cwd).ended;
    expect(verify(lines[0] ?? "", secret)).toMatchObject({ sub: "acme" });
    jest.replaceProperty(process, "env", { ...process.env, WAYBILL_AUTH_SECRET: ` ${secret}\n` });
    expect(verify((await run("token", "acme")).out.trim(), secret)).toMatchObject({ sub: "acme" });
  });
});

test("a file of settings that cannot be read is told in a line, as by the hub", async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, ".env"));
  const { code, complaints } = await new TerminalProcess("token acme", { WAYBILL_AUTH_SECRET: "s".repeat(32) }, folder)
    .ended;
  expect(complaints).toMatch(/^waybill token: [^\n]*EISDIR[^\n]*\n$/);
  expect(code).toBe(2);
});

test.each(["", "short"])("no token is signed with the secret %j", async (secret) => {
  jest.replaceProperty(process, "env", { ...process.env, WAYBILL_AUTH_SECRET: secret });
  const { code, out, complaints } = await run("token", "acme");
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(complaints).toMatch(/^waybill token: WAYBILL_AUTH_SECRET[^\n]+\n$/);
});

test.each([
  ["1h", 1 / 24],
  ["30d", 30],
  ["3650d", 3_650],
])("a token may be good for %s", async (expires, days) => {
  jest.replaceProperty(process, "env", { ...process.env, WAYBILL_AUTH_SECRET: "s".repeat(32) });
  const { code, out } = await run("token", `acme --expires ${expires}`);
  const { iat, exp } = decode(out.trim()) as { iat: number; exp: number };
  expect({ code, lifetime: exp - iat }).toEqual({ code: 0, lifetime: days * 86_400 });
});

test.each([
  ["", 2, /^waybill: a command is missing/],
  ["bogus", 2, /^waybill: no such command: bogus/],
])("waybill %s: one line", async (args, code, complaint) => {
  const ended = await new TerminalProcess(args).ended;
  expect(ended).toMatchObject({ code, lines: [] });
  expect(ended.complaints).toMatch(complaint);
});

test("each command is an npm script as well, for those who have the source", async () => {
  const { lines } = await new TerminalProcess("--help").ended;
  const commands = lines.flatMap((line) => /^ {2}([a-z]+) {2,}\S/.exec(line)?.[1] ?? []);
  expect(commands).toContain("salvage");
  expect(Object.keys(manifest.scripts)).toEqual(expect.arrayContaining(commands));
});

test("waybill help <command> says what <command> --help does, and that there is no such command", async () => {
  const [help, asked, bogus] = await Promise.all(
    ["why --help", "help why", "help bogus"].map((args) => new TerminalProcess(args).ended),
  );
  expect(asked).toEqual(help);
  expect(asked?.lines[0]).toMatch(/^Usage: waybill why /);
  expect(bogus).toMatchObject({ code: 2, complaints: expect.stringMatching(/no such command: bogus/) as string });
});

test.each(["--help", "hub --help", "vendor --help"])(
  "waybill %s | head: a reader that goes away is no crash",
  async (args) => {
    const root = join(__dirname, "../..");
    const program = ["-r", "ts-node/register/transpile-only", "bin/waybill.ts", ...args.split(" ")];
    const child = spawn(process.execPath, program, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    let complaints = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (complaints += text));
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect({ code, complaints }).toEqual({ code: 0, complaints: "" });
  },
);
