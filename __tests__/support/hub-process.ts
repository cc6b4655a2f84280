/** The hub as a process of its own, for tests of signals, exit codes and crashes. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const ROOT = path.join(__dirname, "..", "..");
const START_TIMEOUT_MS = 15_000;

export interface HubProcessOptions {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A folder of `compileProgram` to run from, which starts at once; left out: the sources. */
  readonly compiled?: string;
  /** A command that goes before the program's own, such as a shell that sets a limit. */
  readonly wrapper?: readonly string[];
  /** Where it runs, and looks for `.env`; a new empty folder when left out. */
  readonly cwd?: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const processes = new Set<HubProcess>();
const folders: string[] = [];

export class HubProcess {
  /** Resolves when the process has ended and all its output is read. */
  readonly exited: Promise<Exit>;
  private readonly child: ChildProcess;
  private written = "";
  private readonly readers = new Set<() => void>();

  constructor({ flags = [], env = {}, cwd = temporaryFolder(), compiled, wrapper = [] }: HubProcessOptions = {}) {
    const main =
      compiled === undefined
        ? ["-r", "ts-node/register/transpile-only", path.join(ROOT, "src", "main.ts")]
        : [path.join(compiled, "src", "main.js")];
    const [command = "", ...args] = [...wrapper, process.execPath, ...main, ...flags];
    this.child = spawn(command, args, {
      cwd,
      // What this shell has set must not reach the hub under test.
      env: {
        PATH: process.env.PATH,
        TS_NODE_PROJECT: path.join(ROOT, "tsconfig.json"),
        NODE_PATH: path.join(ROOT, "node_modules"),
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const read = (chunk: Buffer) => {
      this.written += chunk.toString();
      for (const reader of this.readers) reader();
    };
    this.child.stdout?.on("data", read);
    this.child.stderr?.on("data", read);
    this.exited = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        processes.delete(this);
        resolve({ code, signal });
        for (const reader of this.readers) reader();
      });
    });
    processes.add(this);
  }

  /** All it wrote so far, to either stream. */
  get output(): string {
    return this.written;
  }

  /** Where it listens, once it says so. */
  async url(): Promise<string> {
    const [, url] = await this.saw(/listening on (http:[^\s,]+)/);
    return url ?? "";
  }

  /** Resolves when it has written this; rejects when it ends first, or takes too long. */
  saw(text: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const give = (outcome: () => void) => {
        clearTimeout(timer);
        this.readers.delete(look);
        outcome();
      };
      const fail = (why: string) => give(() => reject(new Error(`${why} before ${text}; it wrote:\n${this.written}`)));
      const timer = setTimeout(() => fail(`${START_TIMEOUT_MS} ms passed`), START_TIMEOUT_MS);
      const look = () => {
        const found = text.exec(this.written);
        if (found) give(() => resolve(found));
        else if (!processes.has(this)) fail("the process ended");
      };
      this.readers.add(look);
      look();
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** A folder that `stopHubProcesses` removes. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "waybill-process-"));
  folders.push(folder);
  return folder;
}

/** Kills every process that a test started and left, and removes their folders. */
export async function stopHubProcesses(): Promise<void> {
  const left = [...processes];
  for (const hub of left) hub.signal("SIGKILL");
  await Promise.all(left.map((hub) => hub.exited));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
