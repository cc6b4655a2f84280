import { io } from "socket.io-client";
import type { Link, Target } from "./link";

/** Socket.IO's own client on a Waybill hub: each message is an emit of its own, with its ack. Nobody consumes the queue. */
export async function open({ url, queue }: Target, handle: (order: unknown) => void): Promise<Link> {
  const socket = io(url, { transports: ["websocket"], forceNew: true, auth: { clientId: "bench" } });
  await new Promise<void>((resolve) => socket.once("welcome", () => resolve()));
  const publish = (order: object): Promise<void> =>
    new Promise((resolve, reject) => {
      const message = { queue, event: "pickup", payload: order };
      socket.emit("publish", message, ({ ok }: { ok: boolean }) => {
        handle(order);
        if (ok) resolve();
        else reject(new Error("the hub refused a message"));
      });
    });
  return { publish, close: async () => socket.disconnect() };
}
