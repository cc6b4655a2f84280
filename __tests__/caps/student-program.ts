import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

const CLASSROOM = path.join(__dirname, "../../examples/classroom");

/** One of the classroom's programs, run as its author would run it. */
export class StudentProgram {
  readonly lines: string[] = [];
  private readonly child: ChildProcess;
  private readonly ended: Promise<unknown[]>;
  private wake: () => void = () => undefined;

  constructor(file: string, settings: Record<string, string>) {
    this.child = spawn(process.execPath, [path.join(CLASSROOM, file)], {
      env: { PATH: process.env.PATH, ...settings },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.ended = once(this.child, "exit");
    if (this.child.stdout) {
      createInterface(this.child.stdout).on("line", (line) => {
        this.lines.push(line);
        this.wake();
      });
    }
  }

  /** Resolves with the lines so far that match, once they are `count`. */
  async printed(pattern: RegExp, count: number): Promise<string[]> {
    for (;;) {
      const found = this.lines.filter((line) => pattern.test(line));
      if (found.length >= count) return found;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  async exitCode(): Promise<unknown> {
    const [code] = await this.ended;
    return code;
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended;
  }
}
