import path from "node:path";
import { Worker } from "node:worker_threads";

/**
 * Starts a file of this folder as a thread, as it stands beside this one: compiled, or TypeScript, which its thread
 * compiles as it loads it.
 *
 * @param name of the file, without its extension.
 */
export function startThread(name: string, workerData: unknown): Worker {
  const extension = path.extname(__filename);
  const execArgv = extension === ".ts" ? ["-r", require.resolve("ts-node/register/transpile-only")] : [];
  return new Worker(path.join(__dirname, `${name}${extension}`), { workerData, execArgv });
}
