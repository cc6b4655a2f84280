import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/** Runs a bench in a folder of its own, which is gone afterwards. */
export async function inScratchFolder<Result>(run: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-bench-"));
  try {
    return await run(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
