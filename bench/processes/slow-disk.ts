/**
 * Loaded into all threads of a hub before anything else (`--require`): gives it a disk whose fsync takes longer. Each
 * commit of the storage thread returns only so many milliseconds later, given as `BENCH_FSYNC_MS`.
 */
import { isMainThread } from "node:worker_threads";
import Database from "better-sqlite3";

const fsyncMs = Number(process.env.BENCH_FSYNC_MS);
const never = new Int32Array(new SharedArrayBuffer(4));

if (!isMainThread) {
  type Exec = (this: Database.Database, sql: string) => Database.Database;
  const exec: Exec = Reflect.get(Database.prototype, "exec");
  Database.prototype.exec = function (this: Database.Database, sql): Database.Database {
    const done = exec.call(this, sql);
    if (sql === "COMMIT") Atomics.wait(never, 0, 0, fsyncMs);
    return done;
  };
}
