import type { Socket } from "socket.io";

/** The Engine.IO connection below a socket; a client's sockets of several namespaces share one. */
export type RawConnection = Socket["conn"];

/** What has to be known about a raw connection: how much waits for it to read, and whether it sends binary. */
export class Line {
  private waitingBytes = 0;
  /** What is to be done when there is room. */
  private awaiting: (() => void)[] = [];
  private stuck = false;
  private binary = false;

  /**
   * @param onStuck called once, when more waits than `maxBufferedBytes`. Never in the midst of a send: whoever sends
   * relies on the connection being there until it is through, Socket.IO not least.
   */
  constructor(
    private readonly raw: RawConnection,
    private readonly maxBufferedBytes: number,
    onStuck: (waitingBytes: number) => void,
  ) {
    raw.on("packetCreate", ({ data }: { data?: unknown }) => {
      if (typeof data !== "string") return;
      this.waitingBytes += data.length;
      if (this.stuck || this.waitingBytes <= maxBufferedBytes) return;
      this.stuck = true;
      const { waitingBytes } = this;
      queueMicrotask(() => onStuck(waitingBytes));
    });
    // All that waited goes to the transport, which comes back for more only when the socket below has taken it.
    raw.on("flush", () => {
      this.waitingBytes = 0;
    });
    raw.on("data", (data: unknown) => {
      if (typeof data !== "string") this.binary = true;
    });
  }

  /** Whether there is room for what could as well be sent later. The other half is for answers. */
  get hasRoom(): boolean {
    return this.waitingBytes <= this.maxBufferedBytes / 2;
  }

  /** @param task called once, when all that waits now has gone to the transport. */
  onRoom(task: () => void): void {
    this.awaiting.push(task);
    if (this.awaiting.length > 1) return;
    this.raw.once("drain", () => {
      const tasks = this.awaiting;
      this.awaiting = [];
      for (const each of tasks) each();
    });
  }

  /** Whether a binary attachment has come over it, ever. */
  get sentBinary(): boolean {
    return this.binary;
  }
}

/** Whether there is a binary attachment somewhere in what Socket.IO has put together, however deep. */
export function holdsBinary(value: unknown): boolean {
  const waiting = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next !== "object" || next === null) continue;
    if (ArrayBuffer.isView(next) || next instanceof ArrayBuffer) return true;
    for (const inside of Object.values(next)) waiting.push(inside);
  }
  return false;
}
