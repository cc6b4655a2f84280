import type { Durability } from "../../src/protocol/wire";
import type { HubClient } from "../hub-client";
import type { Say } from "./say";

/** Milliseconds after which an absence of the hub is mentioned again. */
const REMIND_MS = 30_000;

const KEPT: Record<Durability, string> = {
  disk: "messages on disk",
  replicated: "messages on several machines",
  memory: "messages in memory only",
};

/** Says what becomes of the connection: a line for each change, and a reminder now and then while it is away. */
export function announceConnection(client: HubClient, url: string, say: Say): void {
  let seen = false;
  let absence: { reason: string; saidAt: number } | undefined;

  client.on("connected", ({ clientId, durability }) => {
    absence = undefined;
    seen = true;
    say(`connected to ${url} as ${clientId}, ${KEPT[durability]}`, "good");
  });
  client.on("disconnected", (reason) => {
    absence = { reason: "", saidAt: performance.now() };
    say(`connection lost (${reason})`, "bad");
  });
  client.on("retrying", ({ error, attempt }) => {
    const reason = causeOf(error);
    const now = performance.now();
    // The first attempt after a loss is due at once and mostly succeeds: the loss itself was mentioned.
    if (absence !== undefined && attempt === 1) return;
    if (absence?.reason === reason && now - absence.saidAt < REMIND_MS) return;
    absence = { reason, saidAt: now };
    // What was never reached may not be there at all, or may be something else.
    const what = seen
      ? `away (${reason}), trying again until it is back`
      : `no hub at ${url} yet (${reason}), trying again`;
    say(what, "bad");
  });
  client.on("drain", ({ reason }) => say(`going down in order (${reason})`, "bad"));
  client.on("refused", ({ event, error }) => say(`refused ${event}: ${error.message}`, "bad"));
}

/**
 * What lies behind Socket.IO's "websocket error": the system's own word, such as `ECONNREFUSED`, or else what was answered
 * by something that is no hub.
 */
export function causeOf(error: Error): string {
  const inner = fieldOf(fieldOf(error, "description"), "error");
  const code = fieldOf(inner, "code");
  if (typeof code === "string") return code;
  return inner instanceof Error ? inner.message : error.message;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
