import fs from "node:fs";

const DIGITS = 20;

/**
 * How many commits were confirmed, in a small file beside the database while it is open. The log of a crash says where it
 * ends, but one that was cut off says the same, or one that is damaged there: then this knows of more commits than it.
 *
 * Written when a commit is durable, and not synced: it may be behind what was confirmed, never ahead of it.
 */
export class CommitMark {
  private readonly fd: number;

  /** @throws Error when the mark cannot be written. */
  constructor(private readonly file: string) {
    // What is in it stays until the first commit.
    this.fd = fs.openSync(markOf(file), fs.constants.O_RDWR | fs.constants.O_CREAT);
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

  write(commits: number): void {
    try {
      fs.writeSync(this.fd, `${String(commits).padStart(DIGITS)}\n`, 0, "latin1");
    } catch {
      // On a full disk it stays behind, which it may.
    }
  }

  /** The database is closed in order. */
  remove(): void {
    fs.closeSync(this.fd);
    fs.rmSync(markOf(this.file), { force: true });
  }
}

export function markOf(file: string): string {
  return `${file}-mark`;
}
