import { requestReader } from "../../../src/protocol/requests";
import { Broker, type BrokerSettings } from "../../../src/queue/broker";
import type { Clock } from "../../../src/queue/clock";
import { routeTable } from "../../../src/queue/routes";
import type { Store } from "../../../src/queue/store";
import type { LedgerSettings } from "../../../src/stores/ledger/ledger";
import { LedgerStore } from "../../../src/stores/ledger/ledger-store";
import { SqliteJournal } from "../../../src/stores/sqlite/sqlite-journal";
import { admit, type Gate } from "../../../src/transport/admission";
import { Connection, type ConnectionContext } from "../../../src/transport/connection";
import { Connections } from "../../../src/transport/connections";
import { Line, type RawConnection } from "../../../src/transport/line";
import { SILENT } from "../../../src/transport/log";
import type { History } from "../history";
import type { Random } from "../random";
import { HubSocket } from "./hub-socket";
import type { SimClock } from "./sim-clock";
import type { SimDisk, SimWorker } from "./sim-disk";
import type { SimLink } from "./sim-link";

export interface HubSettings {
  readonly broker: BrokerSettings;
  readonly ledger: LedgerSettings;
  readonly prefetch: number;
  /** Messages of one turn that share a row, at the least. */
  readonly leastInBlock: number;
  /** How long it waits, going down in order, for what is out. */
  readonly drainMs: number;
}

/** What a hub runs on. */
export interface Machine {
  readonly clock: SimClock;
  readonly random: Random;
  readonly disk: SimDisk;
  readonly history: History;
}

const LIMITS = { maxPayloadBytes: 10_000, maxBatch: 100, maxPacketBytes: 1_000_000, maxPrefetch: 1_000 };
/** Made once: a reader is the costliest part of a start. */
const READER = requestReader(LIMITS);
const RECONNECT_AFTER_MS = 200;
/** A raw connection that never says anything of itself. */
const QUIET_LINE = new Line({ on: () => {} } as unknown as RawConnection, Infinity, () => {});

/** One process of the hub: the product from its connections to its SQL, from its start to its end. */
export class SimHub {
  store: Store | undefined;
  private broker: Broker | undefined;
  private context: ConnectionContext | undefined;
  private readonly links = new Set<SimLink>();
  private readonly worker: SimWorker;
  private readonly process: Clock;
  private alive = true;
  private draining = false;

  /** @param onLost called when its store is gone for good: the process is to end. */
  constructor(
    readonly no: number,
    private readonly machine: Machine,
    private readonly settings: HubSettings,
    private readonly onLost: () => void,
  ) {
    this.process = machine.clock.process(() => this.alive);
    this.worker = machine.disk.open();
  }

  /** Whether clients can connect. */
  get isUp(): boolean {
    return this.context !== undefined && this.alive && !this.draining;
  }

  get hasEnded(): boolean {
    return !this.alive;
  }

  /** Resolves when clients may connect. Rejects when the store cannot be had. */
  async start(): Promise<void> {
    const { machine, settings, process } = this;
    const journal = new SqliteJournal(this.worker, process, () => this.onLost(), undefined, settings.leastInBlock);
    this.store = await LedgerStore.open(journal, settings.ledger, process);
    this.broker = new Broker(
      this.store,
      process,
      settings.broker,
      routeTable([]),
      {
        failed: (what) => machine.history.add({ kind: "note", text: `failed: ${what}` }),
        clockStepped: (byMs) => machine.history.add({ kind: "note", text: `the hub follows the clock by ${byMs} ms` }),
      },
      () => machine.random.next(),
    );
    this.context = {
      hubId: `hub-${this.no}`,
      broker: this.broker,
      read: READER,
      clock: process,
      log: SILENT,
      limits: LIMITS,
      defaultPrefetch: settings.prefetch,
      maxInFlight: 1_000,
      connections: new Connections(100),
      dialects: new Map(),
    };
    machine.history.add({ kind: "hub", no: this.no, is: "up" });
  }

  /** A client connects. @returns whether it was let in. */
  accept(link: SimLink, client: string, session: string | undefined): boolean {
    const { context, machine } = this;
    if (context === undefined || !this.alive) return false;
    const gate: Gate = {
      namespaces: ["/"],
      authSecret: "",
      isDraining: () => this.draining,
      now: () => machine.clock.now(),
      checkRoomFor: (clientId) => context.connections.checkRoomFor(clientId),
    };
    const socket = new HubSocket(client, link, machine.history);
    try {
      const admission = admit("/", undefined, { clientId: client, session }, gate);
      link.hubEnd = socket;
      this.links.add(link);
      new Connection(socket.asSocket(), QUIET_LINE, admission, context);
      return true;
    } catch {
      link.hubEnd = undefined;
      return false;
    }
  }

  /** The process dies on the spot, and what the disk has not synced with it. */
  crash(): void {
    if (!this.alive) return;
    this.alive = false;
    const lost = this.worker.crash();
    const detail =
      lost === undefined ? "with all synced" : lost.dropped ? "and its commit is lost" : "and its commit is kept";
    const { history } = this.machine;
    history.add({ kind: "fault", what: "crash", detail });
    history.add({ kind: "hub", no: this.no, is: "crashed" });
    for (const link of this.links) link.loseHub();
    this.links.clear();
  }

  /** The run is over: lets go of the file. */
  abandon(): void {
    if (!this.alive) return;
    this.alive = false;
    this.worker.crash();
  }

  /** The thread that keeps the file dies, and the process soon with it. */
  loseStore(): void {
    if (this.alive) this.worker.lose(new Error("the simulated worker was lost"));
  }

  /** Goes down in order, as the product's hub does. */
  async close(): Promise<void> {
    const { broker, context, store, machine, settings } = this;
    if (broker === undefined || context === undefined || store === undefined || this.draining) return;
    this.draining = true;
    machine.history.add({ kind: "hub", no: this.no, is: "draining" });
    for (const connection of context.connections.all()) connection.drain("the simulation says so", RECONNECT_AFTER_MS);
    await broker.drain(settings.drainMs);
    for (const connection of context.connections.all()) connection.close();
    broker.close();
    try {
      await store.close();
    } catch {
      // Its store did not take the last write: as after a crash, the next start counts what may have been out.
      this.crash();
      return;
    }
    this.alive = false;
    // Where the store was lost it had nothing to close: then the file is as the process leaves it.
    if (!this.worker.hasClosed) this.worker.crash();
    machine.history.add({ kind: "hub", no: this.no, is: "closed" });
  }
}
