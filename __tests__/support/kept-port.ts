import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** Where the system takes no ports from that it gives to others. */
const LOWEST = 20_000;
const HIGHEST = 32_000;

/** A port for a server that goes and comes back: nobody is given it meanwhile who asks for any. */
export async function keptPort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
