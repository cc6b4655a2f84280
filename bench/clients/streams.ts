import { Redis } from "ioredis";
import type { Link, Target } from "./link";

const GROUP = "bench";
/** How long a read waits for messages before it asks again. */
const BLOCK_MS = 1_000;

/** A Redis stream and a consumer group: XADD, XREADGROUP on a connection of its own, XACK for each message. */
export async function open({ url, queue, window }: Target, handle: (order: unknown) => void): Promise<Link> {
  const commands = new Redis(url, { enableAutoPipelining: true });
  const reader = new Redis(url);
  await commands.xgroup("CREATE", queue, GROUP, "$", "MKSTREAM");
  const closing = new AbortController();
  const reading = (async () => {
    while (!closing.signal.aborted) {
      const reply = await reader.xreadgroup(
        ...(["GROUP", GROUP, "reader", "COUNT", window * 2, "BLOCK", BLOCK_MS, "STREAMS", queue, ">"] as const),
      );
      for (const [, entries] of (reply ?? []) as [string, [id: string, fields: string[]][]][]) {
        for (const [id, fields] of entries) {
          handle(JSON.parse(fields[1] ?? "null"));
          commands.xack(queue, GROUP, id).catch(fail);
        }
      }
    }
  })();
  reading.catch(fail);
  return {
    publish: (order) => commands.xadd(queue, "*", "order", JSON.stringify(order)),
    close: async () => {
      closing.abort();
      await reading;
      await commands.del(queue);
      await Promise.all([commands.quit(), reader.quit()]);
    },
  };
}

/** A run with an ack that failed is no run. */
function fail(error: unknown): never {
  throw error;
}
