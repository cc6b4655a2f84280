import { WaybillError } from "../../src/protocol/errors";
import { isNamespace } from "../../src/protocol/names";

export interface HubClientOptions {
  /** Socket.IO namespace; `/` where it is left out. */
  namespace?: string;
  /** Who this client is. A hub with tokens on takes it from the token. */
  clientId?: string;
  /** JWT that proves the identity, or where to get one: asked before each attempt to connect, as tokens run out. */
  token?: string | (() => string | Promise<string>);
  /** Publishes that may wait for their confirmation, in messages. Past it `publish()` rejects with `QUEUE_FULL`. */
  maxUnconfirmed?: number;
  /** The same bound in bytes, counted roughly: characters of the messages as JSON. */
  maxUnconfirmedBytes?: number;
  /** Messages in one packet, at most; the hub's own limit counts where it is lower. */
  maxBatch?: number;
  /** Milliseconds before the first attempt to reconnect, doubled for each further one, with jitter. */
  reconnectDelayMs?: number;
  /** Milliseconds that the wait before an attempt to reconnect never exceeds. */
  reconnectDelayMaxMs?: number;
  /**
   * Milliseconds in which the hub must welcome a connection, with the wait for a token, and answer a request; past it the
   * connection is made anew. A token that comes too late for one attempt serves the next, if that waits for one.
   */
  requestTimeoutMs?: number;
  /** Engine.IO transports, in the order to be tried. Long polling needs sticky sessions where hubs share the load. */
  transports?: ("websocket" | "polling" | "webtransport")[];
}

export type ClientSettings = Required<Omit<HubClientOptions, "clientId" | "token">> &
  Pick<HubClientOptions, "clientId" | "token">;

const DEFAULTS = {
  namespace: "/",
  maxUnconfirmed: 100_000,
  maxUnconfirmedBytes: 64 * 1024 * 1024,
  // Larger packets gain nothing measurable, and hold up what is behind them.
  maxBatch: 256,
  // The first attempts must fall well inside the grace in which the hub keeps a session's leases.
  reconnectDelayMs: 200,
  reconnectDelayMaxMs: 5_000,
  requestTimeoutMs: 20_000,
};

/** A timer's longest wait, 24 days; one set to more fires at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

const BOUNDED = [
  "maxUnconfirmed",
  "maxUnconfirmedBytes",
  "maxBatch",
  "reconnectDelayMs",
  "reconnectDelayMaxMs",
  "requestTimeoutMs",
] as const;

/** Every option that there is, for those who write without types. */
export const OPTION_NAMES = Object.keys({
  namespace: true,
  clientId: true,
  token: true,
  transports: true,
  maxUnconfirmed: true,
  maxUnconfirmedBytes: true,
  maxBatch: true,
  reconnectDelayMs: true,
  reconnectDelayMaxMs: true,
  requestTimeoutMs: true,
} satisfies Record<keyof HubClientOptions, true>);

const PROTOCOLS = ["http:", "https:", "ws:", "wss:"];

/** @throws WaybillError `INVALID` for what is no address: it would be tried for ever, and never be there. */
export function readUrl(url: string): string {
  if (PROTOCOLS.includes(protocolOf(url) ?? "")) return url;
  throw new WaybillError("INVALID", `url must be an address such as http://127.0.0.1:3000, not "${url}".`);
}

/** Without `URL.canParse`, which browsers have had for a short time only. */
function protocolOf(url: string): string | undefined {
  try {
    return new URL(url).protocol;
  } catch {
    return undefined;
  }
}

/** The settings that these options ask for. @throws WaybillError `INVALID` that names the option. */
export function readOptions(options: HubClientOptions): ClientSettings {
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.includes(name));
  if (unknown !== undefined) {
    throw new WaybillError("INVALID", `There is no option ${unknown}. There are ${OPTION_NAMES.join(", ")}.`);
  }
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const settings: ClientSettings = { ...DEFAULTS, transports: ["websocket"], ...given };
  for (const name of BOUNDED) {
    const value = settings[name];
    const isTime = name.endsWith("Ms");
    if (Number.isFinite(value) && value >= 1 && (!isTime || value <= MAX_TIMER_MS)) continue;
    const allowed = isTime ? `from 1 to ${MAX_TIMER_MS}, in milliseconds` : "of at least 1";
    throw new WaybillError("INVALID", `${name} must be a number ${allowed}, not ${String(value)}.`);
  }
  // Of what is no namespace the hub cannot even say that it has none.
  if (!isNamespace(settings.namespace)) {
    throw new WaybillError("INVALID", `namespace must begin with a slash, such as /caps, not "${settings.namespace}".`);
  }
  return settings;
}
