import fs from "node:fs";
import path from "node:path";
import { WaybillError } from "../../protocol/errors";
import type { Clock, Timer } from "../../queue/clock";

/** Often enough that a fast writer cannot fill what is kept free between two looks, and next to no work. */
const LOOK_EVERY_MS = 500;

/** Tells how much of a disk is free to this user, in bytes. */
export type FreeBytes = (folder: string) => Promise<number>;

/**
 * Watches the free space of the disk that a file is on. Below a limit publishes are refused, so that what makes room can
 * still be written: an ack, too, is a write. What acks free stays the file's, so it counts as free.
 */
export class DiskSpace {
  private readonly folder: string;
  private freeBytes = Infinity;
  private reusableBytes: () => Promise<number> = () => Promise.resolve(0);
  private timer: Timer | undefined;
  private stopped = false;

  constructor(
    file: string,
    private readonly minFreeBytes: number,
    private readonly clock: Pick<Clock, "setTimer">,
    /** Told when it becomes low, and when it no longer is. */
    private readonly onChange: (isLow: boolean, freeBytes: number) => void = () => {},
    private readonly freeBytesOf: FreeBytes = freeBytesIn,
  ) {
    this.folder = path.dirname(path.resolve(file));
  }

  /**
   * Looks now, and from then on every so often.
   *
   * @param reusableBytes tells what of the file itself can be written anew; asked only where the disk has too little.
   */
  async start(reusableBytes: () => Promise<number>): Promise<void> {
    this.reusableBytes = reusableBytes;
    if (this.minFreeBytes > 0) await this.lookAgain();
  }

  /** @throws WaybillError DISK_FULL */
  refuseWhenLow(): void {
    if (!this.isLow) return;
    const room = `${mebibytes(this.freeBytes)} MiB are free, ${mebibytes(this.minFreeBytes)} MiB are kept for acks`;
    throw new WaybillError("DISK_FULL", `The store's disk is nearly full: ${room}.`);
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private get isLow(): boolean {
    return this.freeBytes < this.minFreeBytes;
  }

  private async lookAgain(): Promise<void> {
    const wasLow = this.isLow;
    this.freeBytes = await this.look();
    if (this.stopped) return;
    if (this.isLow !== wasLow) this.onChange(this.isLow, this.freeBytes);
    this.timer = this.clock.setTimer(() => void this.lookAgain(), LOOK_EVERY_MS);
  }

  /** A disk that does not say what it has is written to until it refuses by itself. */
  private async look(): Promise<number> {
    try {
      const onDisk = await this.freeBytesOf(this.folder);
      return onDisk >= this.minFreeBytes ? onDisk : onDisk + (await this.reusableBytes());
    } catch {
      return Infinity;
    }
  }
}

async function freeBytesIn(folder: string): Promise<number> {
  const { bavail, bsize } = await fs.promises.statfs(folder);
  return bavail * bsize;
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
