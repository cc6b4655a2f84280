import type { HubClient } from "../hub-client";

/** Whether it is known that the hub is not there. One that has just begun to connect does not know yet. */
export function isAway({ state }: HubClient): boolean {
  return state === "disconnected";
}

/** Resolves when a client that is about to connect knows whether the hub is there; at once, where nothing is under way. */
export function untilKnown(client: HubClient): Promise<void> {
  if (client.state !== "connecting") return Promise.resolve();
  return new Promise((resolve) => {
    for (const outcome of ["connected", "retrying", "failed"] as const) client.on(outcome, () => resolve());
  });
}
