import { randomUUID } from "node:crypto";
import type { Server as HttpServer } from "node:http";
import { capsDialect } from "./caps";
import type { Settings } from "./config";
import type { LiveRules } from "./live-rules";
import { WaybillError } from "./protocol/errors";
import type { Durability } from "./protocol/wire";
import { Broker, type BrokerSettings } from "./queue/broker";
import type { Clock } from "./queue/clock";
import type { Dialect } from "./queue/dialect";
import { routeTable } from "./queue/routes";
import type { Store } from "./queue/store";
import { HubHttp, urlOf } from "./transport/http";
import { SILENT, type Log } from "./transport/log";
import { Transport } from "./transport/server";

/** What a program may bring along, besides settings. */
export interface HubParts {
  /** An app's own HTTP server to serve Socket.IO on: the hub neither listens on it nor closes it. */
  readonly server?: HttpServer;
  /** Where to log; a pino logger is one. Left out: nowhere. */
  readonly log?: Log;
  readonly clock?: Clock;
  /** Called once when the store is lost for good. The hub goes on refusing; only a new one helps. */
  readonly onStoreLost?: (error: Error) => void;
}

export interface Hub {
  /** `http://host:port`, to connect clients to. Throws while an app's own server does not listen yet. */
  readonly url: string;
  /** This start of the hub: another one after each. */
  readonly hubId: string;
  readonly durability: Durability;
  /** Deliveries that are out, connections that are open, and sessions that are known: to watch for leaks. */
  counts(): { held: number; connections: number; sessions: number };
  /**
   * Reads the file of queue rules (`queuesFile`) again and puts it in force, for queues that exist as well.
   *
   * @returns what has changed, a line each.
   * @throws QueuesFileError when the file is not allowed: then the former rules stay in force.
   */
  reload(): Promise<readonly string[]>;
  /** Resolves when the store takes writes; rejects with the reason why not. */
  health(): Promise<void>;
  /**
   * Goes down in order: takes no more work, tells clients, waits up to `drainMs` until what is out is settled, ends all
   * connections and closes the store. Called again, waits for the same.
   */
  close(reason?: string): Promise<void>;
}

/** How long the store may take to prove that it works. */
const PROBE_TIMEOUT_MS = 2_000;
/** When clients may look for the hub again: a restart takes about as long. */
const RECONNECT_AFTER_MS = 1_000;

/** A hub on a store that is open. */
export class RunningHub implements Hub {
  readonly hubId = randomUUID();
  private readonly broker: Broker;
  private readonly transport: Transport;
  /** The hub's own, if it is not on an app's. */
  private readonly http: HubHttp | undefined;
  private readonly server: HttpServer;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly settings: Settings,
    private readonly rules: LiveRules,
    clock: Clock,
    { server, log = SILENT }: HubParts,
    private readonly store: Store,
  ) {
    this.broker = new Broker(store, clock, brokerSettings(settings, rules), routeTable(settings.routes), {
      failed: (what, error) => log.error({ err: error }, `failed: ${what}`),
      clockStepped: (byMs) =>
        log.warn({ byMs }, "the time of day was set: leases, delays and times to live move along"),
    });
    if (server) {
      this.server = server;
    } else {
      this.http = new HubHttp(() => this.health());
      this.server = this.http.server;
    }
    this.transport = new Transport(settings, {
      http: this.server,
      hubId: this.hubId,
      broker: this.broker,
      clock,
      log,
      dialects: dialectsOf(settings, clock),
    });
  }

  get url(): string {
    return urlOf(this.server);
  }

  get durability(): Durability {
    return this.store.durability;
  }

  counts(): { held: number; connections: number; sessions: number } {
    const { broker, transport } = this;
    return { held: broker.heldCount(), connections: transport.connectionCount, sessions: broker.sessionCount };
  }

  async start(): Promise<void> {
    await this.http?.listen(this.settings.port, this.settings.host);
  }

  async reload(): Promise<readonly string[]> {
    return this.rules.reload();
  }

  async health(): Promise<void> {
    if (this.closing) throw new WaybillError("DRAINING", "The hub is going down.");
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_resolve, reject) => {
      const error = new WaybillError("STORE_UNAVAILABLE", `The store has not answered for ${PROBE_TIMEOUT_MS} ms.`);
      timer = setTimeout(() => reject(error), PROBE_TIMEOUT_MS);
    });
    await Promise.race([this.store.probe(), tooLate]).finally(() => clearTimeout(timer));
  }

  close(reason = "the hub is going down"): Promise<void> {
    this.closing ??= this.goDown(reason);
    return this.closing;
  }

  private async goDown(reason: string): Promise<void> {
    this.transport.drain(reason, RECONNECT_AFTER_MS);
    await this.broker.drain(this.settings.drainMs);
    await this.transport.close();
    await this.http?.close();
    this.broker.close();
    await this.store.close();
  }
}

function brokerSettings(settings: Settings, { book }: LiveRules): BrokerSettings {
  return { ...settings, rules: book, maxConsumersPerSession: settings.maxConsumers };
}

function dialectsOf({ namespaces }: Settings, clock: Clock): ReadonlyMap<string, Dialect> {
  return new Map(namespaces.includes("/caps") ? [["/caps", capsDialect({ clock })]] : []);
}
