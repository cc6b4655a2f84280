/** What a disk says of a commit that it did not take. */

/** Whether there was no room for it. */
export function isDiskFull(error: unknown): boolean {
  return hasCode(error, "SQLITE_FULL", "ENOSPC");
}

/**
 * Whether it was written, and what failed was to sync it. Nobody knows what of it the disk has then, and syncing again
 * does not tell: the system has dropped what it could not write, and says that all is well. See docs/decisions/0008.
 */
export function isFailedSync(error: unknown): boolean {
  return hasCode(error, "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC");
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
