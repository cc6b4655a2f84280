import fs from "node:fs";
import { COMMITS, STOP, type CheckerData } from "./checker-data";
import { damageText, type DatabaseFile } from "./database-file";
import { startThread } from "./thread";

/** A hub that starts has other things to do first. */
const FIRST_AFTER_MS = 1_000;
const EVERY_MS = 24 * 60 * 60 * 1000;
/** After a check that was given up. */
const AGAIN_AFTER_MS = 10 * 60 * 1000;
/** While a check lasts, the log is not copied to the main file, and grows. Past this the check is given up. */
const MAX_LOG_BYTES = 512 * 2 ** 20;
const LOOK_EVERY_MS = 250;

/** Has the whole file read for damage by a thread of its own: soon after the start, where that did not, and every day. */
export class BackgroundCheck {
  private readonly shared = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
  private readonly state = new Int32Array(this.shared);
  private timer: NodeJS.Timeout | undefined;
  private watch: NodeJS.Timeout | undefined;
  private stopped = false;

  /** @param onDamage told what was found, in words, once. */
  constructor(
    private readonly file: DatabaseFile,
    private readonly onDamage: (text: string) => void,
  ) {
    this.startAfter(file.isChecked ? EVERY_MS : FIRST_AFTER_MS);
  }

  /** Says that there was a commit: a check gives way to them. */
  noteCommit(): void {
    Atomics.add(this.state, COMMITS, 1);
  }

  /** Ends what is under way. What it found does not count: the file may change from now on. */
  stop(): void {
    clearTimeout(this.timer);
    clearInterval(this.watch);
    this.stopped = true;
    this.giveUp();
  }

  private startAfter(delayMs: number): void {
    this.timer = setTimeout(() => this.start(), delayMs);
    this.timer.unref();
  }

  private start(): void {
    const read = { isStill: true };
    const release = this.file.holdStill(() => {
      read.isStill = false;
      this.giveUp();
    });
    if (release === undefined) return this.startAfter(AGAIN_AFTER_MS);
    Atomics.store(this.state, STOP, 0);
    const data: CheckerData = { fd: this.file.fd, shared: this.shared };
    const checker = startThread("checker", data);
    this.watch = setInterval(() => this.watchLog(), LOOK_EVERY_MS);
    let nextAfterMs = AGAIN_AFTER_MS;
    checker.once("message", (faults: readonly string[] | undefined) => {
      if (faults === undefined || this.stopped || !read.isStill) return;
      nextAfterMs = EVERY_MS;
      if (faults.length > 0) this.onDamage(damageText(this.file.name, faults));
    });
    // The store is none the worse for it; whoever reads the log is to know.
    checker.once("error", (error) => process.emitWarning(`the check of ${this.file.name} failed: ${error.message}`));
    checker.once("exit", () => {
      clearInterval(this.watch);
      release();
      if (!this.stopped) this.startAfter(nextAfterMs);
    });
  }

  private watchLog(): void {
    try {
      if (fs.statSync(`${this.file.name}-wal`).size > MAX_LOG_BYTES) this.giveUp();
    } catch {
      // There is none yet.
    }
  }

  private giveUp(): void {
    Atomics.store(this.state, STOP, 1);
    Atomics.notify(this.state, STOP);
  }
}
