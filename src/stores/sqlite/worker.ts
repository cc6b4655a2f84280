/** The storage thread: takes posts as they come. */
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from "node:worker_threads";
import { systemClock } from "../../queue/clock";
import { BackgroundCheck } from "./background-check";
import type { Answer, Post, WorkerSettings } from "./calls";
import { Committer, describe } from "./committer";
import { DamagedError } from "./damage";
import { SqliteFile } from "./sqlite-file";

const port = parentPort;
if (port === null) throw new Error("worker.ts runs as a worker thread");

const answer = (content: Answer): void => port.postMessage(content);

function serve(file: SqliteFile, port: MessagePort): void {
  const committer = new Committer(file, () => {
    const received: { message: Post } | undefined = receiveMessageOnPort(port);
    return received?.message;
  });
  const check =
    file.file &&
    new BackgroundCheck(file.file, (damaged) => {
      answer({ damaged });
      port.close();
    });
  answer({ opened: true });
  port.on("message", (post: Post) => {
    const { answer: committed, closed } = committer.commit(post);
    check?.noteCommit();
    answer(committed);
    if (!closed && !("damaged" in committed)) return;
    check?.stop();
    port.close();
  });
}

try {
  serve(SqliteFile.open(workerData as WorkerSettings, systemClock), port);
} catch (error) {
  if (error instanceof DamagedError) answer({ damaged: error.message });
  else answer({ failed: describe(error), count: 0, isFull: false });
  port.close();
}
