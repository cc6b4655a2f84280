import fs from "node:fs";
import path from "node:path";
import { freePort, Missing, startProgram, versionOf, type Server } from "./server";

/** NATS with JetStream as it comes: files are written at once, and fsynced every two minutes. */
export function start(folder: string): Promise<Server> {
  return startNats(folder, []);
}

/** NATS with JetStream that fsyncs before it confirms. */
export function startSynced(folder: string): Promise<Server> {
  return startNats(folder, ["sync_interval: always"]);
}

async function startNats(folder: string, settings: readonly string[]): Promise<Server> {
  const version = versionOf("nats-server", ["--version"]);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (settings.length > 0 && (major < 2 || (major === 2 && minor < 10))) {
    throw new Missing(`nats-server ${version} has no sync_interval: it came with 2.10`);
  }
  const port = await freePort();
  const file = path.join(folder, "nats.conf");
  const jetstream = [`store_dir: ${JSON.stringify(path.join(folder, "jetstream"))}`, ...settings].join(", ");
  fs.writeFileSync(file, `listen: "127.0.0.1:${port}"\njetstream { ${jetstream} }\n`);
  const server = await startProgram({ command: "nats-server", args: ["-c", file], folder }, port);
  return { ...server, url: `nats://127.0.0.1:${port}`, version };
}
