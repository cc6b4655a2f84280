import type { Socket as TcpSocket } from "node:net";
import { Server, type Socket } from "socket.io";
import type { Post } from "../../src/stores/sqlite/calls";
import { StorageThread } from "../../src/stores/sqlite/storage-thread";

/** What a hub had to do. None of it takes longer, or happens more often, only because the machine is busy. */
export interface HubCounts {
  /** Socket.IO packets from clients. */
  readonly packetsIn: number;
  /** Socket.IO packets to clients. */
  readonly packetsOut: number;
  /** Times that something was written to a client's TCP socket: a system call each. */
  readonly writes: number;
  /** Messages to the storage thread. */
  readonly posts: number;
  /** Calls in these messages. */
  readonly calls: number;
  /** Messages from the storage thread: one for each transaction, which costs one fsync at the most. */
  readonly answers: number;
}

type RawConnection = Socket["conn"];

/** Counts what is done by hubs that start between its making and `stop`. */
export class HubMeter {
  /** What went to the storage thread, in order. */
  readonly posted: Post[] = [];
  private readonly counts = { packetsIn: 0, packetsOut: 0, writes: 0, calls: 0, answers: 0 };
  private readonly watched = new WeakSet<Server>();
  private readonly spies: readonly { mockRestore(): void }[];

  constructor() {
    this.spies = [this.spyOnPosts(), this.spyOnAnswers(), this.spyOnServers()];
  }

  read(): HubCounts {
    return { ...this.counts, posts: this.posted.length };
  }

  stop(): void {
    for (const spy of this.spies) spy.mockRestore();
  }

  private spyOnPosts(): { mockRestore(): void } {
    const { posted, counts } = this;
    const { post } = StorageThread.prototype;
    return jest.spyOn(StorageThread.prototype, "post").mockImplementation(function (this: StorageThread, calls) {
      counts.calls += calls.length;
      posted.push(structuredClone(calls));
      post.call(this, calls);
    });
  }

  private spyOnAnswers(): { mockRestore(): void } {
    const { counts } = this;
    const { attach } = StorageThread.prototype;
    return jest.spyOn(StorageThread.prototype, "attach").mockImplementation(function (this: StorageThread, listener) {
      attach.call(this, {
        ...listener,
        answered(answer) {
          counts.answers++;
          listener.answered(answer);
        },
      });
    });
  }

  /** A hub's Socket.IO server is its own business: what can be seen of it from outside is that it opens its namespaces. */
  private spyOnServers(): { mockRestore(): void } {
    const watch = (io: Server): void => this.watch(io);
    const { of } = Server.prototype;
    return jest.spyOn(Server.prototype, "of").mockImplementation(function (this: Server, ...args) {
      watch(this);
      return of.apply(this, args);
    });
  }

  private watch(io: Server): void {
    const { engine } = io as Partial<Server>;
    // Its constructor opens the first namespace, before there is anything to watch.
    if (engine === undefined || this.watched.has(io)) return;
    this.watched.add(io);
    engine.on("connection", (raw: RawConnection) => this.watchPackets(raw));
    io.httpServer.on("connection", (socket: TcpSocket) => this.watchWrites(socket));
  }

  /** Pings are left out: they come with time. */
  private watchPackets(raw: RawConnection): void {
    raw.on("packet", ({ type }: { type: string }) => {
      if (type === "message") this.counts.packetsIn++;
    });
    raw.on("packetCreate", ({ type }: { type: string }) => {
      if (type === "message") this.counts.packetsOut++;
    });
  }

  private watchWrites(socket: TcpSocket): void {
    const { counts } = this;
    const write = socket._write.bind(socket);
    const writev = socket._writev?.bind(socket);
    if (writev === undefined) throw new Error("a TCP socket that cannot write several texts at once");
    socket._write = (...args) => {
      counts.writes++;
      write(...args);
    };
    socket._writev = (...args) => {
      counts.writes++;
      writev(...args);
    };
  }
}
