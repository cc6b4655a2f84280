/** The storage thread: takes posts as they come. */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { systemClock } from "../../queue/clock";
import type { Answer, Post, WorkerSettings } from "./calls";
import { Committer, describe } from "./committer";
import { SqliteFile } from "./sqlite-file";

const port = parentPort;
if (port === null) throw new Error("worker.ts runs as a worker thread");

const answer = (content: Answer): void => port.postMessage(content);

try {
  const file = SqliteFile.open(workerData as WorkerSettings, systemClock);
  const committer = new Committer(file, () => {
    const received: { message: Post } | undefined = receiveMessageOnPort(port);
    return received?.message;
  });
  answer({ opened: true });
  port.on("message", (post: Post) => {
    const committed = committer.commit(post);
    answer(committed.answer);
    if (committed.closed) port.close();
  });
} catch (error) {
  answer({ failed: describe(error), count: 0 });
  port.close();
}
