import path from "node:path";
import { packageVersion, startOwn, type Server } from "./server";

/** A hub in a process of its own, on a SQLite file, with its defaults. */
export function start(folder: string): Promise<Server> {
  return startOwn("hub.js", { file: path.join(folder, "waybill.db") }, packageVersion());
}
