import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Far beyond what any line takes on a busy machine, and within a test's own limit: so that its failure says why. */
const LINE_TIMEOUT_MS = 30_000;
const ROOT = join(__dirname, "../..");

export interface Ended {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly complaints: string;
}

const running = new Set<TerminalProcess>();

/** For `afterEach`: ends what a test that failed has left behind. */
export async function killTerminals(): Promise<void> {
  await Promise.all([...running].map((terminal) => terminal.kill()));
}

/** A terminal as people start it: a process of its own, with its input and output in pipes. */
export class TerminalProcess {
  /** Resolves when it has ended by itself or by a signal, and all its lines were read. */
  readonly ended: Promise<Ended>;
  private readonly lines: string[] = [];
  private readonly waiters = new Set<() => void>();
  private readonly process: ChildProcessWithoutNullStreams;
  private complaints = "";
  private closed = false;

  /**
   * @param args as on the command line: `vendor acme --count 3`.
   * @param cwd where it looks for `.env`; left out: where there is none.
   */
  constructor(args: string, env: NodeJS.ProcessEnv = {}, cwd = __dirname) {
    const program = join(ROOT, "bin/waybill.ts");
    const execArgs = ["-r", require.resolve("ts-node/register/transpile-only"), program];
    // Set but empty counts as not given.
    const given = { ...process.env, TS_NODE_PROJECT: join(ROOT, "tsconfig.json"), WAYBILL_TOKEN: "", ...env };
    this.process = spawn(process.execPath, [...execArgs, ...args.split(" ").filter(Boolean)], { cwd, env: given });
    running.add(this);
    createInterface({ input: this.process.stdout }).on("line", (line) => {
      this.lines.push(line);
      this.waiters.forEach((check) => check());
    });
    this.process.stderr.setEncoding("utf8").on("data", (text: string) => (this.complaints += text));
    // What is typed may come after it has ended by itself.
    this.process.stdin.on("error", () => undefined);
    this.ended = new Promise((resolve) => {
      this.process.once("close", (code) => {
        this.closed = true;
        running.delete(this);
        this.waiters.forEach((check) => check());
        resolve({ code, lines: this.lines, complaints: this.complaints });
      });
    });
  }

  /** The first line that matches, or the nth, as soon as it is there. Rejects when the process ends without it. */
  line(pattern: RegExp, nth = 1): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle = (line: string | undefined, why: string): void => {
        clearTimeout(timer);
        this.waiters.delete(check);
        if (line !== undefined) resolve(line);
        else reject(new Error(`no line like ${pattern} ${why}:\n${this.lines.join("\n")}\n${this.complaints}`));
      };
      const check = (): void => {
        const line = this.lines.filter((candidate) => pattern.test(candidate))[nth - 1];
        if (line !== undefined || this.closed) settle(line, "before the end");
      };
      const timer = setTimeout(() => settle(undefined, `within ${LINE_TIMEOUT_MS} ms`), LINE_TIMEOUT_MS);
      this.waiters.add(check);
      check();
    });
  }

  type(line: string): void {
    this.process.stdin.write(`${line}\n`);
  }

  /** @param last what comes before the end, without a line break. */
  endInput(last = ""): void {
    this.process.stdin.end(last);
  }

  /** Ctrl-C. */
  interrupt(): Promise<Ended> {
    this.process.kill("SIGINT");
    return this.ended;
  }

  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.ended;
  }
}
