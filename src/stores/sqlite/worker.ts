/** The storage thread: takes calls as they come, and commits all that wait as one transaction. */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { Answer, Call, Post, WorkerSettings } from "./calls";
import { SqliteFile } from "./sqlite-file";

/** Calls in one transaction; bounds how long the first of them waits for the last. */
const MAX_CALLS = 4_096;

const port = parentPort;
if (port === null) throw new Error("worker.ts runs as a worker thread");

const answer = (content: Answer): void => port.postMessage(content);

try {
  const file = SqliteFile.open(workerData as WorkerSettings);
  answer({ opened: true });
  port.on("message", (post: Post) => {
    let calls: Call[] = [...post];
    while (calls.length < MAX_CALLS) {
      const more = receiveMessageOnPort(port) as { message: Post } | undefined;
      if (more === undefined) break;
      calls = calls.concat(more.message);
    }
    run(file, calls);
  });
} catch (error) {
  answer({ failed: describe(error), count: 0 });
  port.close();
}

function run(file: SqliteFile, calls: readonly Call[]): void {
  try {
    answer({ results: file.commit(calls) });
  } catch (error) {
    answer({ failed: describe(error), count: calls.length });
  }
  if (calls[calls.length - 1]?.kind !== "close") return;
  file.close();
  port?.close();
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? ` (${error.code})` : "";
  return error.message + code;
}
