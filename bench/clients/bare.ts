import { io } from "socket.io-client";
import type { Link, OpenLink, Target } from "./link";

const OPTIONS = { transports: ["websocket"], forceNew: true };

/** Emit and its ack. Nothing is delivered to anybody: the floor of the protocol. */
export async function echo({ url }: Target, handle: (order: unknown) => void): Promise<Link> {
  const socket = io(url, OPTIONS);
  const publish = (order: object): Promise<void> =>
    new Promise((resolve) => {
      socket.emit("echo", order, () => {
        handle(order);
        resolve();
      });
    });
  return { publish, close: async () => socket.disconnect() };
}

/** Acked to the sender, and passed on to the listener. */
export const relay = relayBy("relay", (order, _ack, handle) => handle(order));

/** As `relay`, and the listener acks each: the same packets as a queue needs. */
export const relayAcked = relayBy("relay-acked", (order, ack, handle) => {
  handle(order);
  ack();
});

function relayBy(
  event: string,
  take: (order: unknown, ack: () => void, handle: (order: unknown) => void) => void,
): OpenLink {
  return async ({ url }, handle) => {
    const socket = io(url, OPTIONS);
    const listener = io(url, OPTIONS);
    listener.on("order", (order: unknown, ack: () => void) => take(order, ack, handle));
    await listener.emitWithAck("listen");
    return {
      publish: (order) => new Promise<void>((resolve) => socket.emit(event, order, () => resolve())),
      close: async () => {
        socket.disconnect();
        listener.disconnect();
      },
    };
  };
}
