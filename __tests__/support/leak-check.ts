/** What a test may have left behind: in a hub whose clients have gone, and in the process whose hubs have closed. */
import type { Hub } from "../../src/hub";

const LOOK_AGAIN_MS = 10;
const IDLE_WITHIN_MS = 3_000;
const CLOSED_WITHIN_MS = 3_000;

/** What of a hub keeps a process alive: sockets, servers, and the store's worker. */
const HANDLES = new Set(["TCPSocketWrap", "TCPServerWrap", "PipeWrap", "ProcessWrap", "MessagePort", "Worker"]);

/**
 * Resolves when the hub knows of no connection, no session and no lease. For tests that have closed all their clients;
 * a dropped client's leases go only after the hub's `graceMs`.
 */
export function untilIdle(hub: Hub, withinMs = IDLE_WITHIN_MS): Promise<void> {
  const left = (): string | undefined => {
    const { connections, sessions, held } = hub.counts();
    if (connections === 0 && sessions === 0 && held === 0) return undefined;
    return `the hub still has ${connections} connections, ${sessions} sessions, ${held} deliveries out`;
  };
  return untilNothing(left, withinMs);
}

/**
 * Compares what keeps the process alive before and after each test. Call it at the top of a file, above the
 * `afterEach(stopHubs)` that has to come before it: hooks run in the order in which they are registered.
 *
 * @returns the check, to be registered: `afterEach(handleCheck())`.
 */
export function handleCheck(): () => Promise<void> {
  const before = openHandles();
  return () =>
    untilNothing(() => {
      const left = [...openHandles()].filter(([kind, count]) => count > (before.get(kind) ?? 0));
      if (left.length === 0) return undefined;
      return `left open: ${left.map(([kind, count]) => `${count - (before.get(kind) ?? 0)} ${kind}`).join(", ")}`;
    }, CLOSED_WITHIN_MS);
}

function openHandles(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (HANDLES.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

/** Looks again until nothing is left; what closes takes a few turns, and says nothing when it is done. */
async function untilNothing(left: () => string | undefined, withinMs: number): Promise<void> {
  const until = Date.now() + withinMs;
  for (let what = left(); what !== undefined; what = left()) {
    if (Date.now() >= until) throw new Error(what);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}
