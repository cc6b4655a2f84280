import type { HubClient } from "../hub-client";

/** Whether it is known that the hub is not there. One that has just begun to connect does not know yet. */
export function isAway({ state }: HubClient): boolean {
  return state === "disconnected";
}

/** What a client finds out about its hub as it connects for the first time. */
export class FirstAttempt {
  /** Resolves when it is known whether the hub is there. */
  readonly outcome: Promise<void>;
  private isOver = false;

  /** @param client that has not heard of the hub yet. */
  constructor(client: HubClient) {
    this.outcome = new Promise((resolve) => {
      for (const event of ["connected", "retrying", "failed"] as const) {
        client.on(event, () => {
          this.isOver = true;
          resolve();
        });
      }
    });
  }

  get isUnderWay(): boolean {
    return !this.isOver;
  }
}
