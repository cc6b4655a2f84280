import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { systemClock, type Clock } from "../../src/queue/clock";
import type { Store } from "../../src/queue/store";
import { openStore, type StoreSettings } from "../../src/stores/open-store";
import type { End, StoreUnderTest } from "./store-in-suite";

/** SQLite in a temporary folder, in its thread. A crash is a copy of the files as they stand, taken while the store has them open. */
export class SqliteUnderTest implements StoreUnderTest {
  private folder = "";
  private settings: StoreSettings | undefined;
  private clock: Clock = systemClock;
  private store: Store | undefined;
  private copies = 0;

  get file(): string {
    return path.join(this.folder, `${this.copies}.db`);
  }

  async open(settings: StoreSettings, clock: Clock = systemClock): Promise<Store> {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-store-"));
    this.settings = settings;
    this.clock = clock;
    return this.openFile();
  }

  async reopen(how: End, settings?: StoreSettings): Promise<Store> {
    this.settings = settings ?? this.settings;
    const before = this.file;
    if (how === "crashed") {
      this.copies++;
      for (const suffix of ["", "-wal"]) {
        if (fs.existsSync(before + suffix)) fs.copyFileSync(before + suffix, this.file + suffix);
      }
    }
    await this.store?.close();
    return this.openFile();
  }

  async close(): Promise<void> {
    await this.store?.close();
  }

  async cleanUp(): Promise<void> {
    await this.store?.close();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  private async openFile(): Promise<Store> {
    if (this.settings === undefined) throw new Error("open comes before reopen");
    const lost = (error: Error): never => {
      throw error;
    };
    this.store = await openStore(`sqlite:${this.file}`, this.settings, lost, this.clock);
    return this.store;
  }
}
