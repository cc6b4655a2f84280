import fs from "node:fs";
import path from "node:path";
import { Command, Option } from "commander";
import { readArguments, readCount } from "../clients/terminal/arguments";
import { SETTINGS, type Settings } from "../src/config";
import { EXIT_USAGE, gatherSettings } from "../src/program-settings";
import { reasonOf } from "../src/protocol/errors";
import { readSettings, SettingError } from "../src/read-config";
import type { CrashRecord } from "./prove/crash-record";
import { CrashTest } from "./prove/crash-test";
import { doubtsAbout, measureFsync } from "./prove/disk";
import type { Latencies } from "./prove/latencies";
import { openScratch, scratchSettings } from "./prove/scratch-store";
import { measureThroughput, type Throughput } from "./prove/throughput";

const SOUND = 0;
/** Something that was confirmed is lost, or the trial could not be made. */
const UNSOUND = 1;
const INTERRUPTED = 130;

const IN_FLIGHT = [1, 50, 500] as const;
const CRASHES = 200;
const SECONDS = 3;
const MIB = 2 ** 20;
/** What the trial may take of the disk. */
const NEEDED_BYTES = 512 * MIB;

interface ProveOptions {
  store?: string;
  crashes: number;
  seconds: number;
}

/** Parts that a test puts in the place of the program's own. */
export interface ProveParts {
  /** What works on the store and is killed. */
  readonly child?: string;
}

/** `waybill prove`: tries the disk of the store, and the store on it. @returns the code to exit with. */
export async function runProve(argv: readonly string[], parts: ProveParts = {}): Promise<number> {
  const command = proveCommand();
  const exit = readArguments(command, argv);
  if (exit !== undefined) return exit;
  const options = command.opts<ProveOptions>();
  let scratch: Scratch | undefined;
  try {
    const flags = options.store === undefined ? [] : ["--store", options.store];
    const { given, nameOf } = gatherSettings(flags, command.name(), command.description());
    const settings = readSettings(given, nameOf);
    scratch = new Scratch(settings.store);
    return await prove(scratch, settings, options, parts);
  } catch (error) {
    process.stderr.write(`waybill: ${reasonOf(error)}\n`);
    return error instanceof SettingError ? EXIT_USAGE : UNSOUND;
  } finally {
    scratch?.remove();
  }
}

function proveCommand(): Command {
  return new Command("waybill prove")
    .description(
      `Tries the disk that the store is on, in a folder beside it: how fast it confirms, and whether what it confirmed is there after a crash. The store itself is not touched. Settings come from the environment and .env. Exits with ${SOUND} when nothing was lost, with ${EXIT_USAGE} when a setting is wrong, else ${UNSOUND}.`,
    )
    .option("--store <url>", `a store beside which to try (${SETTINGS.store.env}, default ${SETTINGS.store.default})`)
    .addOption(
      new Option("--crashes <count>", "how often to kill it").default(CRASHES, String(CRASHES)).argParser(readCount),
    )
    .addOption(
      new Option("--seconds <count>", "how long each measurement takes")
        .default(SECONDS, String(SECONDS))
        .argParser(readCount),
    );
}

async function prove(scratch: Scratch, settings: Settings, options: ProveOptions, parts: ProveParts): Promise<number> {
  const forMs = options.seconds * 1000;
  const fsync = measureFsync(scratch.folder, forMs);
  say(`trying ${scratch.folder}`);
  say(`  fsync of 4 KiB        ${latencyText(fsync)} (${fsync.count} times)`);
  const speeds = await measureStore(scratch, settings, forMs);
  const record = await crash(scratch, settings, options.crashes, parts);
  say("");
  for (const doubt of doubtsAbout(scratch.folder, fsync)) say(`Beware of this disk: ${doubt}.`);
  say(verdict(speeds, record, options.crashes));
  return record.failures.length === 0 ? SOUND : UNSOUND;
}

async function measureStore(scratch: Scratch, settings: Settings, forMs: number): Promise<Throughput[]> {
  const store = await openScratch(scratch.file("speed"), scratchSettings(settings), () => undefined);
  const speeds: Throughput[] = [];
  try {
    for (const inFlight of IN_FLIGHT) {
      const speed = await measureThroughput(store, inFlight, forMs);
      say(`  ${String(inFlight).padStart(3)} in flight         ${latencyText(speed.latencies)}, ${rate(speed)}`);
      speeds.push(speed);
    }
  } finally {
    await store.close();
  }
  return speeds;
}

async function crash(
  scratch: Scratch,
  settings: Settings,
  crashes: number,
  { child }: ProveParts,
): Promise<CrashRecord> {
  const isTerminal = process.stdout.isTTY;
  const onCrash = (crash: number): void => {
    const text = `  killed ${crash} of ${crashes} times, ${test.record.confirmed} messages confirmed so far`;
    if (isTerminal) process.stdout.write(`\r${text}${crash === crashes ? "\n" : ""}`);
    else if (crash % 20 === 0 || crash === crashes) say(text);
  };
  const test = new CrashTest({
    file: scratch.file("crash"),
    settings: scratchSettings(settings),
    crashes,
    onCrash,
    child,
  });
  scratch.onInterrupt = () => test.stop();
  return test.run();
}

function verdict(speeds: readonly Throughput[], record: CrashRecord, crashes: number): string {
  const [one] = speeds;
  const most = speeds[speeds.length - 1];
  const lines: string[] = [];
  if (one && most) {
    lines.push(
      `This disk confirms ${rate(most)} with ${most.inFlight} in flight (p99 ${ms(most.latencies, 0.99)}), and ${rate(one)} one by one (p99 ${ms(one.latencies, 0.99)}).`,
    );
  }
  const { failures, lost, confirmed, acked } = record;
  lines.push(
    `${crashes} crashes, ${lost} of ${confirmed} confirmed messages lost, ${failures.length - lost} other promises broken, ${acked} acks confirmed.`,
  );
  if (failures.length > 0) {
    lines.push("NOT SOUND: do not trust this store here.", ...failures.slice(0, 10).map((failure) => `  ${failure}`));
  }
  return lines.join("\n");
}

function latencyText(latencies: Latencies): string {
  return `p50 ${ms(latencies, 0.5)}, p99 ${ms(latencies, 0.99)}`;
}

function ms(latencies: Latencies, share: number): string {
  return `${latencies.quantile(share).toPrecision(3)} ms`;
}

function rate({ perSecond }: Throughput): string {
  return `${Math.round(perSecond)} messages/s`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** A folder beside the store, gone when the trial is over, however that comes about. */
class Scratch {
  readonly folder: string;
  /** Ends what a trial has started. */
  onInterrupt: () => void = () => {};
  /** Folders that were made for it, the innermost first. */
  private readonly made: readonly string[];

  /** @throws Error when there is nothing to try, or no room for it. */
  constructor(store: string) {
    const [, file] = /^sqlite:(.+)$/.exec(store) ?? [];
    if (file === undefined) throw new Error(`${store} keeps nothing on a disk: there is nothing to prove`);
    const beside = path.dirname(path.resolve(file));
    this.made = foldersUpTo(fs.mkdirSync(beside, { recursive: true }), beside);
    this.folder = fs.mkdtempSync(path.join(beside, "waybill-prove-"));
    process.on("SIGINT", this.interrupt).on("SIGTERM", this.interrupt);
    const { bavail, bsize } = fs.statfsSync(this.folder);
    if (bavail * bsize >= NEEDED_BYTES) return;
    this.remove();
    throw new Error(`the disk of ${beside} has less than the ${NEEDED_BYTES / MIB} MiB free that the trial may take`);
  }

  file(name: string): string {
    return path.join(this.folder, `${name}.db`);
  }

  remove(): void {
    process.off("SIGINT", this.interrupt).off("SIGTERM", this.interrupt);
    // What was killed a moment ago may have made one more file.
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
    for (const folder of this.made) if (!removeEmpty(folder)) return;
  }

  private readonly interrupt = (): void => {
    this.onInterrupt();
    this.remove();
    process.exit(INTERRUPTED);
  };
}

/** The folders from the innermost outwards to the topmost; none where no topmost one was made. */
function foldersUpTo(topmost: string | undefined, innermost: string): string[] {
  const folders: string[] = [];
  if (topmost === undefined) return folders;
  for (let folder = innermost; folder.length >= topmost.length; folder = path.dirname(folder)) folders.push(folder);
  return folders;
}

/** Never with what is in it: a hub may have made its store there meanwhile. @returns whether the folder is gone. */
function removeEmpty(folder: string): boolean {
  try {
    fs.rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}
