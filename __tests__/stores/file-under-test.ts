import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type Database from "better-sqlite3";
import { systemClock, type Clock } from "../../src/queue/clock";
import type { Answer, Call } from "../../src/stores/sqlite/calls";
import { Committer } from "../../src/stores/sqlite/committer";
import type { DatabaseFile } from "../../src/stores/sqlite/database-file";
import { RowGatherer } from "../../src/stores/sqlite/gatherers";
import { SqliteFile } from "../../src/stores/sqlite/sqlite-file";
import { SUITE_SETTINGS, queue } from "../conformance/store-in-suite";
import { rowsOf } from "./append-rows";

export const LOAD: Call = { kind: "load", argument: null };
/** Files the queue of the suite under the number 1. */
export const FILED: Call = { kind: "queue", argument: { no: 1, address: queue, creator: "acme" } };
export const PAGE_BYTES = 4096;

/** Messages of that queue, with a row each. */
export function append(from: number, count: number): Call {
  const gatherer = new RowGatherer();
  for (const row of rowsOf(from, count, () => ({ queueNo: 1 }))) gatherer.add(row);
  return gatherer.makeCall();
}

/** A store's file in a folder of its own, worked as its thread does, but on the test's. */
export class FileUnderTest {
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-file-"));
  /** Its name; another one is opened by the next `open`. */
  name = path.join(this.folder, "waybill.db");
  sqlite = this.opened(systemClock);

  /** The file as it is open. */
  get file(): DatabaseFile {
    if (this.sqlite.file === undefined) throw new Error("it has a file");
    return this.sqlite.file;
  }

  get database(): Database.Database {
    return this.file.database;
  }

  /** Opens it again, once it is closed. */
  open(time: Pick<Clock, "now" | "steady"> = systemClock): void {
    this.sqlite = this.opened(time);
  }

  commit(...calls: Call[]): Answer {
    return new Committer(this.sqlite, () => undefined).commit(calls).answer;
  }

  /** Closes it, as a crash would if it is still open, and removes it. */
  remove(): void {
    if (this.database.open) this.sqlite.leave();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  private opened(time: Pick<Clock, "now" | "steady">): SqliteFile {
    return SqliteFile.open({ ...SUITE_SETTINGS, file: this.name }, time);
  }
}
