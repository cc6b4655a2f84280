import path from "node:path";
import type { Worker } from "node:worker_threads";
import type { Answer, Post, WorkerSettings } from "./calls";
import { DamagedError } from "./damage";
import { startThread } from "./thread";

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

/**
 * Files of this process. SQLite's locks keep other processes away, and would be lost to this one's second look at a file:
 * the system drops them when any descriptor of the file is closed.
 */
const inUse = new Set<string>();

/** A worker thread with an open file. */
export class StorageThread implements StorageWorker {
  /**
   * Opens the file in a thread of its own, making or migrating it as needed.
   *
   * @throws Error that says why the file cannot be used.
   */
  static async start(settings: WorkerSettings): Promise<StorageThread> {
    const file = path.resolve(settings.file);
    if (inUse.has(file)) throw new Error(`${settings.file} cannot be used: another hub has it open`);
    inUse.add(file);
    const worker = startThread("worker", settings);
    worker.once("exit", () => inUse.delete(file));
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error("the storage worker ended"));
      worker.once("error", reject);
      worker.once("exit", ended);
      worker.once("message", (answer: Answer) => {
        worker.off("error", reject).off("exit", ended);
        if ("opened" in answer) resolve(new StorageThread(worker));
        else if ("damaged" in answer) reject(new DamagedError(answer.damaged));
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
