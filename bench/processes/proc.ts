/** What Linux says in `/proc` about a process and its descendants: CPU time and peak memory. */
import fs from "node:fs";

/** The kernel's unit of CPU time in `/proc/<pid>/stat`, in microseconds: USER_HZ is 100 on every Linux that Node runs on. */
const TICK_US = 10_000;

/** Of processes and all that they started. */
export interface Footprint {
  /** CPU time so far, in microseconds; a multiple of 10,000. */
  readonly cpu: number;
  /** The most memory (VmHWM) since `resetPeak`, in bytes: the sum of the processes' own peaks. */
  readonly peak: number;
}

export function footprint(pid: number): Footprint {
  let cpu = 0;
  let peak = 0;
  for (const each of familyOf(pid)) {
    cpu += cpuOf(each);
    peak += peakOf(each);
  }
  return { cpu, peak };
}

/** CPU time a second of what does nothing but look at its clock, in microseconds, at the most. */
const RESTING_CPU = 50_000;
const MOST_SECONDS = 120;

/**
 * Waits until these processes do nothing of their own accord, for two seconds on end: a store that starts on a large file
 * reads all of it for damage in the background, once.
 *
 * @throws Error when they are still busy after two minutes.
 */
export async function atRest(pids: readonly number[]): Promise<void> {
  const cpu = (): number => pids.reduce((sum, pid) => sum + footprint(pid).cpu, 0);
  for (let second = 0, resting = 0; second < MOST_SECONDS; second++) {
    const before = cpu();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    resting = cpu() - before <= RESTING_CPU * pids.length ? resting + 1 : 0;
    if (resting === 2) return;
  }
  throw new Error(`still busy after ${MOST_SECONDS} s`);
}

/** Has the kernel forget the peak, so that the next one is that of what comes. Only for processes of the same user. */
export function resetPeak(pid: number): void {
  for (const each of familyOf(pid)) {
    try {
      fs.writeFileSync(`/proc/${each}/clear_refs`, "5");
    } catch {
      // Gone already, or not ours: its peak is then the one since it started.
    }
  }
}

/** A process and its descendants. */
export function familyOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of fs.readdirSync("/proc")) {
    const parent = /^\d+$/.test(name) ? fieldsOf(Number(name))?.parent : undefined;
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings) siblings.push(Number(name));
    else children.set(parent, [Number(name)]);
  }
  const family = [pid];
  for (const each of family) family.push(...(children.get(each) ?? []));
  return family;
}

/** Resident memory now, in bytes. */
export function residentOf(pid: number): number {
  return statusOf(pid, "VmRSS");
}

function peakOf(pid: number): number {
  return statusOf(pid, "VmHWM");
}

function statusOf(pid: number, field: string): number {
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(read(`/proc/${pid}/status`))?.[1];
  return Number(kib ?? 0) * 1024;
}

function cpuOf(pid: number): number {
  return (fieldsOf(pid)?.ticks ?? 0) * TICK_US;
}

/** proc(5): after the name, which may hold anything, come state, parent, and as 14th and 15th user and system time. */
function fieldsOf(pid: number): { parent: number; ticks: number } | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === "") return undefined;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
}

function read(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
