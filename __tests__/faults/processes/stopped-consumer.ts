/**
 * A consumer that is stopped from outside: takes one delivery, tells its parent, and acks it when the parent says so. What
 * the hub says to it goes to the parent.
 */
import { io } from "socket.io-client";
import type { AckReply, Deliver } from "../../../src/protocol/wire";

const [url = "", queue = ""] = process.argv.slice(2);
const tell = (event: string, content: unknown): void => void process.send?.({ event, content });

const socket = io(url, { auth: { clientId: "stopped" }, transports: ["websocket"] });
socket.on("connect", () =>
  socket.emit("consume", { queue, prefetch: 1 }, (reply: unknown) => tell("consuming", reply)),
);
socket.on("revoked", (revoked: unknown) => tell("revoked", revoked));
socket.on("deliver", ({ messages }: Deliver) => {
  for (const { id, attempt, payload } of messages) {
    tell("delivered", { id, attempt, payload });
    process.once("message", () => {
      socket.emit("ack", { queue, deliveries: [{ id, attempt }] }, (reply: AckReply) => tell("answered", reply));
    });
  }
});
process.on("disconnect", () => process.exit(0));
