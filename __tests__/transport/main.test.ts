import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { HubProcess, stopHubProcesses, temporaryFolder } from "../support/hub-process";
import { connectStock } from "../support/stock-client";
import { startHub, stopHubs } from "../support/start-hub";

afterEach(stopHubs);
afterEach(stopHubProcesses);

const inMemory = ["--port", "0", "--store", "memory:"];

it("says where it listens, how messages are kept and that it is open, and goes down in order on SIGTERM", async () => {
  const hub = new HubProcess({ flags: inMemory });
  const url = await hub.url();
  await hub.saw(/no WAYBILL_AUTH_SECRET: anyone on this machine may connect; loopback only/);
  expect(hub.output).toContain("messages are in memory only (memory:)");
  const { client } = await connectStock(url, { reconnection: false });
  const ended = client.disconnected();
  hub.signal("SIGTERM");
  expect(await client.next("drain")).toMatchObject({ reason: "the hub is being stopped" });
  expect(await ended).toBe("transport close");
  expect(await hub.exited).toEqual({ code: 0, signal: null });
});

it("leaves at once on a second signal", async () => {
  const hub = new HubProcess({ flags: [...inMemory, "--drain-ms", "60000"] });
  const { client } = await connectStock(await hub.url(), { reconnection: false });
  await client.request("publish", { queue: "q", event: "e" });
  await client.request("consume", { queue: "q" });
  await client.next("deliver");
  hub.signal("SIGINT");
  await hub.saw(/SIGINT: no more work is taken/);
  hub.signal("SIGINT");
  expect(await hub.exited).toEqual({ code: 130, signal: null });
});

it("takes flags over the environment over .env", async () => {
  const cwd = temporaryFolder();
  const lines = [
    "PORT=0",
    "WAYBILL_STORE=memory:",
    "WAYBILL_NAMESPACES=/from-file",
    "WAYBILL_MAX_BATCH=1",
    "WAYBILL_PREFETCH=1",
  ];
  writeFileSync(path.join(cwd, ".env"), lines.join("\n"));
  const env = { WAYBILL_MAX_BATCH: "2", WAYBILL_MAX_PREFETCH: "200", WAYBILL_PREFETCH: "" };
  const hub = new HubProcess({ cwd, env, flags: ["--max-prefetch", "300"] });
  const { welcome } = await connectStock(await hub.url(), { namespace: "/from-file" });
  expect(welcome).toMatchObject({ limits: { maxBatch: 2, maxPrefetch: 300 } });
});

it("warns of variables that look like settings and are none, in the environment and in .env", async () => {
  const cwd = temporaryFolder();
  writeFileSync(path.join(cwd, ".env"), "WAYBILL_LEASE=100\nWAYBILL_URL=http://127.0.0.1:3000\n");
  const hub = new HubProcess({ cwd, env: { WAYBILL_MAX_ATEMPTS: "2" }, flags: inMemory });
  await hub.saw(/there is no setting WAYBILL_LEASE, WAYBILL_MAX_ATEMPTS: not looked at/);
});

it("reads the rules of queues again on SIGHUP, and leaves them as they were when they are not allowed", async () => {
  const file = path.join(temporaryFolder(), "queues.json");
  const write = (leaseMs: number) =>
    writeFileSync(
      file,
      JSON.stringify({
        queues: [
          { match: "/:q", leaseMs },
          { match: "/:@*", maxMessages: 10 },
        ],
      }),
    );
  write(5_000);
  const hub = new HubProcess({ flags: [...inMemory, "--drain-ms", "0"], env: { WAYBILL_QUEUES_FILE: file } });
  const { client } = await connectStock(await hub.url(), { reconnection: false });
  await client.request("consume", { queue: "q" });
  /** The lease of the next delivery of a queue that is there since before. */
  const leaseMs = async (id: string) => {
    await client.request("publish", { queue: "q", event: "e", id });
    const { messages } = await client.next<{ messages: { leaseMs: number }[] }>("deliver");
    return messages[0]?.leaseMs;
  };
  expect(await leaseMs("before")).toBeLessThanOrEqual(5_000);

  write(20_000);
  hub.signal("SIGHUP");
  await hub.saw(/SIGHUP: the rules of queues were read again: \/:q: leaseMs 5000 -> 20000"/);
  expect(await leaseMs("after")).toBeGreaterThan(15_000);

  write(7);
  hub.signal("SIGHUP");
  await hub.saw(/SIGHUP: the rules of queues stay as they were: .*leaseMs of .*given 7; allowed: /);
  expect(await leaseMs("still")).toBeGreaterThan(15_000);

  write(20_000);
  hub.signal("SIGHUP");
  await hub.saw(/were read again: nothing has changed/);
  hub.signal("SIGTERM");
  expect(await hub.exited).toEqual({ code: 0, signal: null });
});

// Of util-linux: runs a program in a terminal of its own, which is gone when it is.
const hasScript = spawnSync("script", ["--version"]).status === 0;

(hasScript ? it : it.skip)(
  "goes down in order with the terminal that it runs in, but reads again in one that stays",
  async () => {
    const root = path.join(__dirname, "..", "..");
    const main = `${process.execPath} -r ts-node/register/transpile-only src/main.ts ${inMemory.join(" ")}`;
    const terminal = spawn("script", ["-qfc", `echo "pid $$"; exec ${main}`, "/dev/null"], {
      cwd: root,
      env: { PATH: process.env.PATH },
      stdio: ["pipe", "pipe", "inherit"],
    });
    let shown = "";
    const saw = (text: RegExp) =>
      new Promise<string>((resolve) => {
        const look = (chunk: Buffer | string) => {
          shown += String(chunk);
          const found = text.exec(shown)?.[1];
          if (found === undefined) return;
          terminal.stdout.off("data", look);
          resolve(found);
        };
        terminal.stdout.on("data", look);
        look("");
      });
    const pid = Number(await saw(/pid (\d+)/));
    try {
      const { client } = await connectStock(await saw(/listening on (http:[^\s,]+)/), { reconnection: false });
      process.kill(pid, "SIGHUP");
      await saw(/were read again: (nothing has changed)/);
      const ended = client.disconnected();
      terminal.kill("SIGKILL");
      expect(await client.next("drain")).toMatchObject({ reason: "the hub is being stopped" });
      expect(await ended).toBe("transport close");
    } finally {
      terminal.kill("SIGKILL");
      killIfRunning(pid);
    }
  },
);

function killIfRunning(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended, as it should.
  }
}

describe("a start that fails says why in one line and exits 1, or 2 where settings or the command line are wrong", () => {
  const failures: [string, string[], RegExp][] = [
    [
      "a bad setting",
      ["--lease-ms", "soon"],
      /^waybill: --lease-ms \(WAYBILL_LEASE_MS\): given "soon"; allowed: .*\n$/,
    ],
    [
      "an address that is not for an open hub",
      ["--host", "0.0.0.0"],
      /^waybill: --host \(HOST\): given "0.0.0.0"; .*\n$/,
    ],
    ["a store that is none", ["--store", "papyrus:"], /^waybill: --store \(WAYBILL_STORE\): given "papyrus:"; .*\n$/],
    [
      "rules that are not there",
      ["--queues-file", "none.json"],
      /^waybill: WAYBILL_QUEUES_FILE: none\.json: cannot be read: ENOENT.*\n$/,
    ],
  ];

  it.each(failures)("%s", async (_what, flags, output) => {
    const hub = new HubProcess({ flags: [...inMemory, ...flags] });
    expect(await hub.exited).toEqual({ code: 2, signal: null });
    expect(hub.output).toMatch(output);
  });

  it("a bad line of .env, which is called as it is there", async () => {
    const cwd = temporaryFolder();
    writeFileSync(path.join(cwd, ".env"), "PORT=abc\n");
    const hub = new HubProcess({ cwd });
    expect(await hub.exited).toEqual({ code: 2, signal: null });
    expect(hub.output).toBe('waybill: PORT: given "abc"; allowed: a whole number from 0 to 65535\n');
  });

  it.each([
    [["--colour"], "unknown option '--colour'"],
    [["--prot", "1"], "unknown option '--prot'"],
    [["--port"], "option '--port <value>' argument missing"],
    [["more"], "too many arguments. Expected 0 arguments but got 1."],
  ])("%j: a command line that is wrong, with 2", async (flags, problem) => {
    const hub = new HubProcess({ flags });
    expect(await hub.exited).toEqual({ code: 2, signal: null });
    expect(hub.output).toBe(`waybill hub: ${problem} (see waybill hub --help)\n`);
  });

  it("a port that is taken", async () => {
    const { url } = await startHub();
    const { port } = new URL(url);
    const hub = new HubProcess({ flags: [...inMemory, "--port", port] });
    expect(await hub.exited).toEqual({ code: 1, signal: null });
    expect(hub.output).toMatch(new RegExp(`^waybill: port ${port} of 127.0.0.1 is in use; .*\\n$`));
  });

  it("a store that another hub has open", async () => {
    const store = `sqlite:${path.join(temporaryFolder(), "hub.db")}`;
    const first = new HubProcess({ flags: ["--port", "0", "--store", store] });
    await first.url();
    const second = new HubProcess({ flags: ["--port", "0", "--store", store] });
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.output).toMatch(/^waybill: .*\n$/);
    first.signal("SIGTERM");
    expect(await first.exited).toEqual({ code: 0, signal: null });
  });
});
