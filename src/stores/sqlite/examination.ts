import fs from "node:fs";
import { CommitMark, markOf } from "./commit-mark";
import { FileCheck } from "./pages/file-check";
import { layoutOf, type TableLayout } from "./pages/layout";
import { readMeta } from "./pages/meta-pages";
import { PageFile } from "./pages/page-file";
import { APPLICATION_ID, migrate, SCHEMA_VERSION } from "./schema";

/**
 * Pages in use up to which a file is read as a whole before it is used: a fraction of a second. A larger one is checked
 * while it is used, and until then by the checksums of what is read.
 */
const PAGES_CHECKED_AT_START = 4_000;

/** What a look at a file tells before SQLite opens it, which would take a damaged log for the end of it. */
export interface Examination {
  /** What is damaged, in words. */
  readonly faults: readonly string[];
  /** Whether all of the file was read for that. */
  readonly isComplete: boolean;
}

/** Looks at a file that nobody has open. Nothing is written. */
export function examine(file: string): Examination {
  if (!fs.existsSync(file)) return { faults: [], isComplete: true };
  const pages = PageFile.open(file);
  try {
    if (pages.isDatabase && pages.faults.length > 0) return { faults: pages.faults, isComplete: false };
    if (pages.applicationId !== APPLICATION_ID || !isKnownVersion(pages.schemaVersion)) {
      const confirmed = CommitMark.read(file) ?? 0;
      // Nothing in it yet, or nothing of ours: SQLite and the schema say what to do with it.
      return { faults: confirmed > 0 ? [commitsMissing(confirmed, file)] : [], isComplete: true };
    }
    const layout = layoutOfVersion(pages.schemaVersion).tables;
    const isSmall = pages.pageCount - pages.freelist.count <= PAGES_CHECKED_AT_START;
    const faults = isSmall ? new FileCheck(pages, layout).run() : [];
    const missing = missingCommits(file, pages, layout);
    return { faults: missing === undefined ? faults : [missing, ...faults], isComplete: isSmall };
  } finally {
    pages.close();
  }
}

/**
 * What the counts of commits tell, which is damage that leaves no trace in what is left: a log that is gone, or cut off.
 *
 * @returns what is missing, in words; undefined when nothing is.
 */
export function missingCommits(file: string, pages: PageFile, layout: readonly TableLayout[]): string | undefined {
  const meta = readMeta(pages, layout);
  const confirmed = CommitMark.read(file);
  if (confirmed !== undefined) {
    const missing = confirmed - (meta.get("commits") ?? 0);
    return missing > 0 ? commitsMissing(missing, file) : undefined;
  }
  const wasOpen = meta.get("open") === 1;
  return wasOpen && !pages.hasLog ? `it was not stopped in order, and its log, ${file}-wal, is missing` : undefined;
}

/** What a file of this version consists of; of the newest, where a damaged header states none that there is. */
export function layoutOfVersion(stated: number): { readonly version: number; readonly tables: readonly TableLayout[] } {
  const version = isKnownVersion(stated) ? stated : SCHEMA_VERSION;
  return { version, tables: layoutOf((database) => migrate(database, version)) };
}

function commitsMissing(count: number, file: string): string {
  return `${count} of its confirmed commits are missing (if this is an older copy, put here on purpose: remove ${markOf(file)})`;
}

function isKnownVersion(version: number): boolean {
  return version >= 1 && version <= SCHEMA_VERSION;
}
