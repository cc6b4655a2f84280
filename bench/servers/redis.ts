import { freePort, startProgram, versionOf, type Server } from "./server";

/** Redis that answers a write when it is in the append-only file and fsynced. */
export async function start(folder: string): Promise<Server> {
  const version = versionOf("redis-server", ["--version"]);
  const port = await freePort();
  const settings = {
    bind: "127.0.0.1",
    port: String(port),
    dir: folder,
    appendonly: "yes",
    appendfsync: "always",
    save: "",
    "maxmemory-policy": "noeviction",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const server = await startProgram({ command: "redis-server", args, folder }, port);
  return { ...server, url: `redis://127.0.0.1:${port}`, version };
}
