import { spawn, type ChildProcessByStdio } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

const ROOT = join(__dirname, "..");
const TYPESCRIPT = require.resolve("ts-node/register/transpile-only");

/** A part of Waybill in a process of its own. */
export class Child {
  /** Resolves with the exit code; null after a signal. */
  readonly exited: Promise<number | null>;
  /** What it said on standard error, to be shown when it fails. */
  complaints = "";
  private readonly process: ChildProcessByStdio<null, Readable, Readable>;

  /** @param cwd folder to run in; a `.env` there counts. */
  constructor(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv, onLine: (line: string) => void) {
    this.process = spawn(process.execPath, ["-r", TYPESCRIPT, join(ROOT, "bin/waybill.ts"), ...args], {
      cwd,
      // The project's settings and packages are looked up from the folder that a process runs in, unless they are told.
      env: {
        ...process.env,
        TS_NODE_PROJECT: join(ROOT, "tsconfig.json"),
        NODE_PATH: join(ROOT, "node_modules"),
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    createInterface({ input: this.process.stdout }).on("line", onLine);
    this.process.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.complaints = (this.complaints + text).slice(-4_000);
    });
    this.exited = new Promise((resolve, reject) => {
      this.process.once("error", reject);
      // "close" and not "exit": by then every line that it wrote has been read.
      this.process.once("close", resolve);
    });
  }

  /** Ends it without warning: nothing is flushed, nothing is said to the hub. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.exited;
  }

  /** Asks it to finish and end. */
  async stop(): Promise<void> {
    this.process.kill("SIGTERM");
    await this.exited;
  }
}
