import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { freePort, startProgram, versionOf, type Server } from "./server";

/** Mosquitto with persistence; its limits on what is in flight and queued, 20 and 1,000 by default, are taken off. */
export async function start(folder: string): Promise<Server> {
  const version = versionOf("mosquitto", ["-h"]);
  const port = await freePort();
  const file = path.join(folder, "mosquitto.conf");
  fs.writeFileSync(
    file,
    [
      `listener ${port} 127.0.0.1`,
      "allow_anonymous true",
      "persistence true",
      `persistence_location ${folder}/`,
      "max_inflight_messages 0",
      "max_queued_messages 0",
      "set_tcp_nodelay true",
      "log_type error",
      `user ${os.userInfo().username}`,
      "",
    ].join("\n"),
  );
  const server = await startProgram({ command: "mosquitto", args: ["-c", file], folder }, port);
  return { ...server, url: `mqtt://127.0.0.1:${port}`, version };
}
