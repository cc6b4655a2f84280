/** Socket.IO and nothing else: each event is acknowledged, nothing is stored. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { answerBench, usage } from "./child";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false });
io.on("connection", (socket) => {
  socket.on("order", (_order: unknown, reply: (answer: object) => void) => reply({ ok: true }));
});
http.listen(0, "127.0.0.1", () => {
  const { port } = http.address() as AddressInfo;
  answerBench(
    { url: `http://127.0.0.1:${port}`, ...usage() },
    () => Promise.resolve(usage()),
    () => io.close(),
  );
});
