/** The storage thread: takes calls as they come, and commits all that wait as one transaction. */
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from "node:worker_threads";
import { rowsIn, type Answer, type Call, type Post, type WorkerSettings } from "./calls";
import { SqliteFile } from "./sqlite-file";

/**
 * Rows in one transaction for each millisecond that the last commit waited for the disk, and at the least. Taking all
 * that waits would make one herd of everything in flight: the hub and its clients would idle while it is committed, and
 * the disk while they work. A slow disk gets larger transactions, since there the wait is what counts.
 */
const ROWS_PER_COMMIT_MS = 128;

const port = parentPort;
if (port === null) throw new Error("worker.ts runs as a worker thread");

const answer = (content: Answer): void => port.postMessage(content);

try {
  const file = SqliteFile.open(workerData as WorkerSettings);
  answer({ opened: true });
  port.on("message", (post: Post) => {
    const enough = ROWS_PER_COMMIT_MS * Math.max(1, file.lastCommitMs);
    let calls: Post = post;
    let rows = rowsIn(post);
    while (rows < enough) {
      const more = nextPost(port);
      if (more === undefined) break;
      calls = calls.concat(more);
      rows += rowsIn(more);
    }
    run(file, calls);
  });
} catch (error) {
  answer({ failed: describe(error), count: 0 });
  port.close();
}

/** A post that waits already. */
function nextPost(from: MessagePort): Post | undefined {
  const received: { message: Post } | undefined = receiveMessageOnPort(from);
  return received?.message;
}

function run(file: SqliteFile, calls: readonly Call[]): void {
  try {
    answer({ results: file.commit(calls) });
  } catch (error) {
    answer({ failed: describe(error), count: calls.length });
  }
  if (!calls.some(({ kind }) => kind === "close")) return;
  file.close();
  port?.close();
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? ` (${error.code})` : "";
  return error.message + code;
}
