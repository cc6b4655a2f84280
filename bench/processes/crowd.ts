/**
 * Many stock Socket.IO clients in one process. On Waybill each is a client of its own, that may consume its inbox and then
 * acks what comes; on bare Socket.IO it is connected, and that is all.
 */
import { io, type Socket } from "socket.io-client";
import { answerBench } from "./child";

export interface CrowdSettings {
  readonly url: string;
  readonly waybill: boolean;
  /** Names are `member-<from>` up to `member-<from + count - 1>`. */
  readonly from: number;
  readonly count: number;
}

export type CrowdQuestion =
  /** A few at a time. */
  | { readonly ask: "connect"; readonly atOnce: number }
  /** Everybody consumes its inbox, now and after each connect. */
  | { readonly ask: "consume" }
  | { readonly ask: "leave" }
  /** All at once; answered when each is back and has acked so many messages. */
  | { readonly ask: "return"; readonly messages: number };

export interface CrowdState {
  /** Connections that broke off, or attempts that failed, since the last question. */
  readonly dropped: number;
}

interface Delivered {
  readonly queue: string;
  readonly messages: readonly { readonly id: string; readonly attempt: number }[];
}

/** What connecting may take in a crowd, instead of 20 s: a slow answer is measured, not given up. */
const TIMEOUT_MS = 300_000;
const PREFETCH = 10;

const { url, waybill, from, count } = JSON.parse(process.argv[2] ?? "{}") as CrowdSettings;
const ready = new Set<Socket>();
const acked = new Set<string>();
let consuming = false;
let dropped = 0;
/** Looks whether what is waited for has come. */
let changed = (): void => {};
const sockets = Array.from({ length: count }, (_, index) => member(`member-${from + index}`));

answerBench({}, answer, async () => {
  for (const socket of sockets) socket.disconnect();
});

function member(clientId: string): Socket {
  const auth = waybill ? { clientId } : {};
  const socket = io(url, { transports: ["websocket"], forceNew: true, autoConnect: false, timeout: TIMEOUT_MS, auth });
  socket.on("connect_error", () => dropped++);
  socket.on("disconnect", (reason) => {
    ready.delete(socket);
    if (reason !== "io client disconnect") dropped++;
  });
  socket.on("connect", () => (consuming ? consume(socket) : isReady(socket)));
  socket.on("deliver", ({ queue, messages }: Delivered) => {
    const deliveries = messages.map(({ id, attempt }) => ({ id, attempt }));
    socket.emit("ack", { queue, deliveries }, () => {
      for (const { id } of messages) acked.add(id);
      changed();
    });
  });
  return socket;
}

function consume(socket: Socket): void {
  socket.emit("consume", { prefetch: PREFETCH }, ({ ok }: { ok: boolean }) => {
    if (ok) isReady(socket);
    else dropped++;
  });
}

function isReady(socket: Socket): void {
  ready.add(socket);
  changed();
}

async function answer(question: CrowdQuestion): Promise<CrowdState> {
  switch (question.ask) {
    case "connect":
      for (let at = 0; at < count; at += question.atOnce) {
        const batch = sockets.slice(at, at + question.atOnce);
        for (const socket of batch) socket.connect();
        await until(() => ready.size >= at + batch.length);
      }
      break;
    case "consume":
      consuming = waybill;
      ready.clear();
      for (const socket of sockets) consume(socket);
      await until(() => ready.size === count);
      break;
    case "leave":
      for (const socket of sockets) socket.disconnect();
      break;
    case "return":
      for (const socket of sockets) socket.connect();
      await until(() => ready.size === count && acked.size >= count * question.messages);
  }
  const state = { dropped };
  dropped = 0;
  return state;
}

function until(come: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    changed = () => {
      if (come()) resolve();
    };
    changed();
  });
}
