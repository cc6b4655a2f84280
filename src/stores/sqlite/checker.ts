/** The checking thread: reads a file's pages, gives way to whoever uses it, and ends with what it found. */
import { parentPort, workerData } from "node:worker_threads";
import { COMMITS, STOP, type CheckerData } from "./checker-data";
import { layoutOfVersion } from "./examination";
import { FileCheck } from "./pages/file-check";
import { PageFile } from "./pages/page-file";

/** Milliseconds of work between two pauses, and how long these are while nobody uses the file and while somebody does. */
const WORK_MS = 5;
const PAUSE_MS = 5;
const BUSY_PAUSE_MS = 95;

class Stopped extends Error {}

function run({ fd, shared }: CheckerData): readonly string[] | undefined {
  const state = new Int32Array(shared);
  let pausedAt = performance.now();
  let commits = Atomics.load(state, COMMITS);
  const pause = (): void => {
    if (performance.now() - pausedAt < WORK_MS) return;
    const seen = Atomics.load(state, COMMITS);
    Atomics.wait(state, STOP, 0, seen === commits ? PAUSE_MS : BUSY_PAUSE_MS);
    if (Atomics.load(state, STOP) !== 0) throw new Stopped();
    commits = seen;
    pausedAt = performance.now();
  };
  try {
    const pages = PageFile.ofDescriptor(fd);
    if (pages.faults.length > 0) return pages.faults;
    return new FileCheck(pages, layoutOfVersion(pages.schemaVersion).tables, pause).run();
  } catch (error) {
    if (error instanceof Stopped) return undefined;
    throw error;
  }
}

parentPort?.postMessage(run(workerData as CheckerData));
