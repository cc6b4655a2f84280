import { fork, type ChildProcess, type ForkOptions } from "node:child_process";
import path from "node:path";

/** A process that the bench started: asked for figures over its channel, ended by its own handle. */
export class Child {
  private constructor(
    private readonly process: ChildProcess,
    readonly ready: Record<string, unknown>,
  ) {}

  /** Starts a file beside this one; resolves with the first message that it sends. */
  static start(file: string, settings: object, options: ForkOptions = {}): Promise<Child> {
    const child = fork(path.join(__dirname, file), [JSON.stringify(settings)], options);
    return new Promise((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`${file} ended with ${code}`)));
      child.once("message", (ready) => resolve(new Child(child, ready as Record<string, unknown>)));
    });
  }

  get pid(): number {
    if (this.process.pid === undefined) throw new Error("the process was never started");
    return this.process.pid;
  }

  ask<Answer>(question: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error("the process ended"));
      this.process.once("exit", ended);
      this.process.once("message", (answer) => {
        this.process.off("exit", ended);
        resolve(answer as Answer);
      });
      this.process.send(question, (error) => {
        if (error) reject(error);
      });
    });
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.process.once("exit", () => resolve()));
    // One that cannot be told is ending already.
    this.process.send({ stop: true }, () => {});
    await ended;
  }
}

/** In the child: answers the bench's questions, and ends when it is told to. */
export function answerBench(
  ready: object,
  answer: (question: never) => Promise<object>,
  stop: () => Promise<void>,
): void {
  process.on("message", (question: { stop?: boolean }) => {
    const reply =
      question.stop === true
        ? stop().then(() => process.exit(0))
        : answer(question as never).then((body) => process.send?.(body));
    reply.catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
  });
  // The bench is gone, however that came about.
  process.once("disconnect", () => process.exit(1));
  process.send?.(ready);
}

/** Of a process, with all its threads. */
export interface Usage {
  /** Memory, in bytes. */
  readonly rss: number;
  /** CPU time so far, in microseconds. */
  readonly cpu: number;
}

export function usage(): Usage {
  const { rss } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return { rss, cpu: user + system };
}
