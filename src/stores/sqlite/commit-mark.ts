import fs from "node:fs";

const DIGITS = 20;
/**
 * Longest time for which the mark is behind. Written at each commit it would be one more file that the next sync has to
 * take along, and cost a twentieth of the throughput.
 */
const WRITE_MS = 20;

/**
 * How many commits were confirmed, in a small file beside the database while it is open. The log of a crash says where it
 * ends, but one that was cut off says the same, or one that is damaged there: then this knows of more commits than it.
 *
 * Written a moment after a commit is durable, and not synced: it may be behind what was confirmed, never ahead of it.
 */
export class CommitMark {
  private readonly fd: number;
  private readonly bytes = Buffer.alloc(DIGITS + 1, "\n");
  private commits = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @throws Error when the mark cannot be written. */
  constructor(private readonly file: string) {
    // What is in it stays until the first commit.
    this.fd = fs.openSync(markOf(file), fs.constants.O_RDWR | fs.constants.O_CREAT);
    // A new one takes its room now: on a disk that fills up meanwhile it can still be written.
    if (fs.fstatSync(this.fd).size === 0) fs.writeSync(this.fd, this.bytes);
  }

  /** Commits that were confirmed on this file, as far as known; undefined: it was stopped in order, or is new. */
  static read(file: string): number | undefined {
    try {
      const text = fs.readFileSync(markOf(file), "latin1");
      return /^ *\d+\n$/.test(text) && text.length === DIGITS + 1 ? Number(text) : undefined;
    } catch {
      return undefined;
    }
  }

  /** So many commits are confirmed now. */
  note(commits: number): void {
    this.commits = commits;
    this.timer ??= setTimeout(this.write, WRITE_MS).unref();
  }

  /** The database is about to be closed, not in order, with so many commits. Synced: its log may be gone afterwards. */
  keep(commits: number): void {
    clearTimeout(this.timer);
    this.commits = commits;
    this.write();
    try {
      fs.fsyncSync(this.fd);
    } catch {
      // As good as it gets.
    }
    fs.closeSync(this.fd);
  }

  /** The database is closed in order. */
  remove(): void {
    clearTimeout(this.timer);
    fs.closeSync(this.fd);
    fs.rmSync(markOf(this.file), { force: true });
  }

  private readonly write = (): void => {
    this.timer = undefined;
    this.bytes.write(String(this.commits).padStart(DIGITS), "latin1");
    try {
      fs.writeSync(this.fd, this.bytes, 0, this.bytes.length, 0);
    } catch {
      // On a full disk it stays behind, which it may.
    }
  };
}

export function markOf(file: string): string {
  return `${file}-mark`;
}
