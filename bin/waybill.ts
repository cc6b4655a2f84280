#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { join } from "node:path";

interface Subcommand {
  readonly about: string;
  run(argv: readonly string[]): unknown;
}

// Each is loaded when it is asked for: a hub starts without the terminals, and a terminal without the hub.
const COMMANDS: ReadonlyMap<string, Subcommand> = new Map([
  ["hub", { about: "the hub itself", run: async (argv) => (await import("../src/main")).runHub(argv) }],
  ["vendor", { about: "a store's terminal", run: async (argv) => (await import("../clients/vendor")).runVendor(argv) }],
  [
    "driver",
    { about: "a driver's terminal", run: async (argv) => (await import("../clients/driver")).runDriver(argv) },
  ],
  ["dead", { about: "dead letters of a queue", run: async (argv) => (await import("../clients/dead")).runDead(argv) }],
  [
    "why",
    {
      about: "where a message is, or how it ended",
      run: async (argv) => (await import("../clients/why")).runWhy(argv),
    },
  ],
  ["token", { about: "sign a token for a client", run: async (argv) => (await import("./token")).runToken(argv) }],
  ["config", { about: "check what is configured", run: async (argv) => (await import("./config")).runConfig(argv) }],
  [
    "salvage",
    {
      about: "save what is whole in a damaged store",
      run: async (argv) => (await import("./salvage")).runSalvage(argv),
    },
  ],
  [
    "prove",
    { about: "try the disk and the store on it", run: async (argv) => (await import("./prove")).runProve(argv) },
  ],
] satisfies [string, Subcommand][]);

/** Of the column of names, with two spaces behind the longest. */
const WIDTH = Math.max(...[...COMMANDS.keys()].map((name) => name.length)) + 2;

const USAGE = `Usage: waybill <command> [options]

Commands:
${[...COMMANDS].map(([name, { about }]) => `  ${name.padEnd(WIDTH)}${about}`).join("\n")}

waybill <command> --help says more.
`;

async function run([name, ...argv]: readonly string[]): Promise<number> {
  if (name === "help" && argv[0] !== undefined) return run([argv[0], "--help"]);
  if (name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(USAGE);
    return 0;
  }
  if (name === "--version" || name === "-V") {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const command = COMMANDS.get(name ?? "");
  if (!command) {
    process.stderr.write(
      `waybill: ${name === undefined ? "a command is missing" : `no such command: ${name}`} (see waybill --help)\n`,
    );
    return 2;
  }
  const code = await command.run(argv);
  return typeof code === "number" ? code : 0;
}

/** Of the package this file was built into, or is run from. */
function version(): string {
  const fromSource = __filename.endsWith(".ts");
  const manifest = readFileSync(join(__dirname, fromSource ? ".." : "../..", "package.json"), "utf8");
  return String((JSON.parse(manifest) as { version?: unknown }).version);
}

// A reader that goes away (`--help | head`) is no reason to crash; what has more to do listens for itself.
process.stdout.on("error", () => undefined);

void run(process.argv.slice(2)).then((code) => (process.exitCode = code));
