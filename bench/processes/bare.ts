/**
 * Socket.IO and nothing else. `echo` is acknowledged; `relay` is passed on to who listens, and acknowledged; so is
 * `relay-acked`, which asks the listener for an ack as well.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type Socket } from "socket.io";
import { answerBench, usage } from "./child";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false });
let listener: Socket | undefined;
io.on("connection", (socket) => {
  socket.on("echo", (_order: unknown, reply: (answer: object) => void) => reply({ ok: true }));
  socket.on("listen", (reply: () => void) => {
    listener = socket;
    reply();
  });
  socket.on("relay", (order: unknown, reply: (answer: object) => void) => {
    listener?.emit("order", order);
    reply({ ok: true });
  });
  socket.on("relay-acked", (order: unknown, reply: (answer: object) => void) => {
    listener?.emit("order", order, () => {});
    reply({ ok: true });
  });
});
/** Connections that may wait to be accepted: Node's default where it is left out. */
const { backlog = 511 } = JSON.parse(process.argv[2] ?? "{}") as { backlog?: number };
http.listen(0, "127.0.0.1", backlog, () => {
  const { port } = http.address() as AddressInfo;
  answerBench(
    { url: `http://127.0.0.1:${port}`, ...usage() },
    async ({ collect }: { collect?: boolean }) => {
      if (collect === true) globalThis.gc?.();
      return { ...usage(), connections: io.engine.clientsCount };
    },
    () => io.close(),
  );
});
