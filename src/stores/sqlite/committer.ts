import { rowsIn } from "./call-rows";
import { needsRoom, NO_SPACE, type Answer, type Call, type Post } from "./calls";
import { isDamage } from "./damage";
import { damageText } from "./database-file";
import { isDiskFull, isFailedSync } from "./disk-failures";
import type { SqliteFile } from "./sqlite-file";

/**
 * Rows in one transaction for each millisecond that the last commit waited for the disk, and at the least. Taking all
 * that waits would make one herd of everything in flight: the hub and its clients would idle while it is committed, and
 * the disk while they work. A slow disk gets larger transactions, since there the wait is what counts.
 */
const ROWS_PER_COMMIT_MS = 128;

/** Takes posts to the file, and commits those that wait together. */
export class Committer {
  /** @param nextPost gives a post that waits already. */
  constructor(
    private readonly file: SqliteFile,
    private readonly nextPost: () => Post | undefined,
  ) {}

  /** Commits a post, and with it what waits behind it. @returns the answer, and whether it was the last. */
  commit(first: Post): { readonly answer: Answer; readonly closed: boolean } {
    const calls = this.withWaiting(first);
    const answer = this.carryOut(calls);
    const closed = "lost" in answer || calls.some(({ kind }) => kind === "close");
    if (closed && "results" in answer) this.file.close();
    // What is damaged is left as it is.
    else if (closed && !("damaged" in answer)) this.file.leave();
    return { answer, closed };
  }

  private withWaiting(first: Post): readonly Call[] {
    const enough = ROWS_PER_COMMIT_MS * Math.max(1, this.file.lastCommitMs);
    let calls: Post = first;
    let rows = rowsIn(first);
    while (rows < enough) {
      const more = this.nextPost();
      if (more === undefined) break;
      calls = calls.concat(more);
      rows += rowsIn(more);
    }
    return calls;
  }

  private carryOut(calls: readonly Call[]): Answer {
    try {
      return { results: this.file.commit(calls) };
    } catch (error) {
      if (isDiskFull(error)) return this.carryOutWithoutRoom(calls);
      return this.refusal(error, calls);
    }
  }

  /** On a full disk what makes room goes on as far as it can: acks, purges, reads. */
  private carryOutWithoutRoom(calls: readonly Call[]): Answer {
    this.file.file?.shrinkLog();
    try {
      const others = this.file.commit(
        calls.filter((call) => !needsRoom(call)),
        false,
      );
      let next = 0;
      return { results: calls.map((call) => (needsRoom(call) ? NO_SPACE : (others[next++] ?? null))) };
    } catch (error) {
      return this.refusal(error, calls);
    }
  }

  private refusal(error: unknown, { length: count }: readonly Call[]): Answer {
    const what = describe(error);
    if (isDamage(error)) return { damaged: damageText(this.file.file?.name ?? "", [what]) };
    if (isFailedSync(error)) return { lost: `the disk did not confirm a commit, which it may have or not: ${what}` };
    return { failed: what, count, isFull: isDiskFull(error) };
  }
}

/** A failure in words, with the code by which SQLite or the system knows it. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? ` (${error.code})` : "";
  return error.message + code;
}
