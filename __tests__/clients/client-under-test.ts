import { connect, type HubClient, type HubClientEvents, type HubClientOptions } from "../../clients/hub-client";
import { ScriptedHub } from "../support/scripted-hub";

/** A scripted hub and clients of it, gone after each test. */
export function hubAndClients(): { hub: () => ScriptedHub; connectClient: (options?: HubClientOptions) => HubClient } {
  let hub: ScriptedHub;
  let clients: HubClient[] = [];

  beforeEach(async () => {
    hub = await ScriptedHub.start();
  });

  afterEach(async () => {
    await Promise.all(clients.map((client) => client.close({ timeoutMs: 1 })));
    clients = [];
    await hub.stop();
  });

  return {
    hub: () => hub,
    connectClient: (options = {}) => {
      const client = connect(hub.url, { reconnectDelayMs: 5, reconnectDelayMaxMs: 20, ...options });
      clients.push(client);
      return client;
    },
  };
}

/** The next such event's argument. */
export function next<Name extends keyof HubClientEvents>(
  client: HubClient,
  event: Name,
): Promise<Parameters<HubClientEvents[Name]>[0]> {
  return new Promise((resolve) => {
    const listener = ((argument: Parameters<HubClientEvents[Name]>[0]) => {
      client.off(event, listener);
      resolve(argument);
    }) as HubClientEvents[Name];
    client.on(event, listener);
  });
}
