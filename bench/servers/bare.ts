import { packageVersion, startOwn, type Server } from "./server";

/** Socket.IO alone, over WebSocket. */
export function start(): Promise<Server> {
  return startOwn("bare.js", {}, packageVersion("socket.io"));
}
