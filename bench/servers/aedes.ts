import { Missing, packageVersion, startOwn, type Server } from "./server";

/** An aedes broker with its own persistence (in memory), in a process of its own. */
export function start(): Promise<Server> {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  // aedes is an ES module, which the compiled bench loads with require().
  if (major < 20 || (major === 20 && minor < 19)) throw new Missing("aedes needs Node.js 20.19 or newer here");
  return startOwn("aedes.js", {}, packageVersion("aedes"));
}
