/** What is in the file is not what was written to it. The store cannot go on with it. */
export class DamagedError extends Error {
  constructor(found: string, options?: ErrorOptions) {
    super(found, options);
    this.name = "DamagedError";
  }
}

/** Whether a commit failed because the file is not what was written to it. */
export function isDamage(error: unknown): error is Error {
  return error instanceof DamagedError || isCorrupt(error) || codeOf(error) === "SQLITE_NOTADB";
}

/** Whether SQLite itself found the file to contradict itself. */
export function isCorrupt(error: unknown): error is Error {
  return codeOf(error).startsWith("SQLITE_CORRUPT");
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
