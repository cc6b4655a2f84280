import fs from "node:fs";
import path from "node:path";
import { Latencies } from "./latencies";

const PAGE_BYTES = 4096;
const MOST_SYNCS = 2_000;
/** No disk without a protected cache writes faster. */
const IMPLAUSIBLE_FSYNC_MS = 0.05;

/** Filesystems whose fsync does not mean what it says, or not always, by the number that the kernel knows them by. */
const DOUBTFUL_FILESYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x01021994, "it is on tmpfs: in memory, and gone with the machine's power"],
  [0x858458f6, "it is on ramfs: in memory, and gone with the machine's power"],
  [0x6969, "it is on NFS: whether fsync reaches a disk is up to the server, and so are locks"],
  [0xff534d42, "it is on a Windows share: whether fsync reaches a disk is up to the server, and so are locks"],
  [0xfe534d42, "it is on a Windows share: whether fsync reaches a disk is up to the server, and so are locks"],
  [0x517b, "it is on a Windows share: whether fsync reaches a disk is up to the server, and so are locks"],
  [0x01021997, "it is on a folder of a virtual machine's host: whether fsync reaches a disk is up to that"],
  [0x65735546, "it is on a FUSE filesystem: whether fsync reaches a disk is up to its program"],
  [0x794c7630, "it is on a container's own layer: gone with the container; mount a volume"],
]);

/** Times writes of a page that are synced one by one, as a commit is. */
export function measureFsync(folder: string, forMs: number): Latencies {
  const latencies = new Latencies();
  const file = path.join(folder, "fsync");
  const fd = fs.openSync(file, "w");
  const page = Buffer.alloc(PAGE_BYTES, 1);
  try {
    const until = performance.now() + forMs;
    for (let count = 0; count < MOST_SYNCS && performance.now() < until; count++) {
      const from = performance.now();
      fs.writeSync(fd, page, 0, PAGE_BYTES, count * PAGE_BYTES);
      fs.fsyncSync(fd);
      latencies.add(performance.now() - from);
    }
  } finally {
    fs.closeSync(fd);
    fs.rmSync(file, { force: true });
  }
  return latencies;
}

/** What is to be doubted about a disk, in words. */
export function doubtsAbout(folder: string, fsync: Latencies): string[] {
  const doubts: string[] = [];
  const filesystem = DOUBTFUL_FILESYSTEMS.get(fs.statfsSync(folder).type);
  if (filesystem !== undefined) doubts.push(filesystem);
  else if (fsync.quantile(0.5) < IMPLAUSIBLE_FSYNC_MS) {
    doubts.push(
      "its fsync is faster than a disk can write: unless its cache outlives a power cut, what is confirmed may not",
    );
  }
  return doubts;
}
