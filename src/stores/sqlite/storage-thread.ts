import path from "node:path";
import { Worker } from "node:worker_threads";
import type { Answer, Post, WorkerSettings } from "./calls";

/** What keeps the file, as its journal sees it. Calls are carried out, and answered, in the order of their posts. */
export interface StorageWorker {
  post(calls: Post): void;
  /** Says who hears of the answers; goes before the first post. */
  attach(listener: WorkerListener): void;
}

export interface WorkerListener {
  answered(answer: Answer): void;
  /** It is lost, and answers nothing any more. */
  broke(error: Error): void;
  /** It is gone, in order or not. */
  ended(): void;
}

/** A worker thread with an open file. */
export class StorageThread implements StorageWorker {
  /**
   * Opens the file in a thread of its own, making or migrating it as needed.
   *
   * @throws Error that says why the file cannot be used.
   */
  static start(settings: WorkerSettings): Promise<StorageThread> {
    const worker = startWorker(settings);
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error("the storage worker ended"));
      worker.once("error", reject);
      worker.once("exit", ended);
      worker.once("message", (answer: Answer) => {
        worker.off("error", reject).off("exit", ended);
        if ("opened" in answer) resolve(new StorageThread(worker));
        else reject(new Error("failed" in answer ? answer.failed : "the storage worker did not open the file"));
      });
    });
  }

  private constructor(private readonly worker: Worker) {}

  post(calls: Post): void {
    this.worker.postMessage(calls);
  }

  attach(listener: WorkerListener): void {
    this.worker.on("message", (answer: Answer) => listener.answered(answer));
    this.worker.on("error", (error) => listener.broke(error));
    this.worker.on("exit", () => listener.ended());
  }
}

/** The worker's file as it stands beside this one: compiled, or TypeScript, which its thread compiles as it loads it. */
function startWorker(settings: WorkerSettings): Worker {
  const extension = path.extname(__filename);
  const execArgv = extension === ".ts" ? ["-r", require.resolve("ts-node/register/transpile-only")] : [];
  return new Worker(path.join(__dirname, `worker${extension}`), { workerData: settings, execArgv });
}
