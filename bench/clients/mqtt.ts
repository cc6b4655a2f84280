import { Socket } from "node:net";
import { connectAsync } from "mqtt";
import type { Link, Target } from "./link";

/** MQTT 3.1.1, QoS 1 both ways, in a session that outlives its connection. The client acks when the listeners return. */
export async function open({ url, queue }: Target, handle: (order: unknown) => void): Promise<Link> {
  const client = await connectAsync(url, { clientId: queue, clean: false });
  // The client leaves Nagle's algorithm on, which holds back single messages by 25 ms and more.
  if (client.stream instanceof Socket) client.stream.setNoDelay(true);
  client.on("message", (_topic, payload) => handle(JSON.parse(payload.toString())));
  await client.subscribeAsync(queue, { qos: 1 });
  return {
    publish: (order) => client.publishAsync(queue, JSON.stringify(order), { qos: 1 }),
    close: async () => {
      await client.endAsync();
      // Ends the session as well.
      const last = await connectAsync(url, { clientId: queue, clean: true });
      await last.endAsync();
    },
  };
}
