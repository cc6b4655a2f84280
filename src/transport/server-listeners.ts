import type { Server as HttpServer } from "node:http";

/** What Socket.IO listens to. */
const EVENTS = ["request", "upgrade", "listening", "close"] as const;

type Listener = (...args: unknown[]) => void;

/**
 * Attaches something to a server.
 *
 * @returns what takes its listeners off the server again, and puts those back that it had taken the place of: another hub may
 * come to the same server, and would not be asked before the one that is closed.
 */
export function attachTo(server: HttpServer, attach: () => void): () => void {
  const before = EVENTS.map((event) => listenersOf(server, event));
  attach();
  const changes = EVENTS.map((event, index) => {
    const former = before[index] ?? [];
    const present = listenersOf(server, event);
    return {
      event,
      added: present.filter((listener) => !former.includes(listener)),
      replaced: former.filter((listener) => !present.includes(listener)),
    };
  });
  return () => {
    for (const { event, added, replaced } of changes) {
      const present = listenersOf(server, event);
      // Somebody has put others in their place meanwhile, which may call them.
      if (!added.every((listener) => present.includes(listener))) continue;
      for (const listener of added) server.off(event, listener);
      for (const listener of replaced) server.on(event, listener);
    }
  };
}

function listenersOf(server: HttpServer, event: string): readonly Listener[] {
  return server.rawListeners(event) as Listener[];
}
