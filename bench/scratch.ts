import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/** Runs a bench in a folder of its own, which is gone afterwards, also when it is interrupted: its processes end with it. */
export async function inScratchFolder<Result>(run: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-bench-"));
  const remove = (): void => fs.rmSync(folder, { recursive: true, force: true });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      remove();
      process.exit(130);
    });
  }
  try {
    return await run(folder);
  } finally {
    remove();
  }
}
