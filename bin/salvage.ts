import { Argument, Command } from "commander";
import { readArguments } from "../clients/terminal/arguments";
import { reasonOf } from "../src/protocol/errors";
import { salvage, type SalvageReport } from "../src/stores/sqlite/salvage/salvage";
import { rangeText, sizeOfRanges, type SeqRange } from "../src/stores/sqlite/salvage/seq-ranges";

const WHOLE = 0;
const FAILED = 1;
/** Something could not be saved. */
const LOSSES = 3;

/** Of one, and of several. */
const NAMES: Readonly<Record<string, readonly [string, string]>> = {
  messages: ["message", "messages"],
  dead: ["dead letter", "dead letters"],
  queues: ["queue or room", "queues and rooms"],
  members: ["membership", "memberships"],
  bodies: ["message of a room", "messages of rooms"],
  ids: ["id of the dedup window", "ids of the dedup window"],
  endings: ["note of how a message ended", "notes of how messages ended"],
  ids_0: ["id of the dedup window", "ids of the dedup window"],
  ids_1: ["id of the dedup window", "ids of the dedup window"],
};

/** `waybill salvage`: copies what is whole from a damaged file to a new one. @returns the code to exit with. */
export function runSalvage(argv: readonly string[]): number {
  const command = new Command("waybill salvage")
    .description(
      `Copies all that is whole from a damaged store to a new file, and says what could not be read. The damaged file stays as it is. Exits with ${WHOLE} when nothing was lost, ${LOSSES} when something was.`,
    )
    .addArgument(new Argument("<damaged>", "the store's file, with what stands beside it (-wal, -mark)"))
    .addArgument(new Argument("<new>", "the file to write; there must be none of that name"));
  const exit = readArguments(command, argv);
  if (exit !== undefined) return exit;
  const [from = "", to = ""] = command.processedArgs as string[];
  try {
    const report = salvage(from, to);
    const lost = lossLines(report);
    const faults = report.faults.map((fault) => `found: ${fault}`);
    const lines = [headline(from, to, report, lost), ...faults, ...new Set(lost)];
    if (lost.length === 0) lines.push("nothing was lost");
    process.stdout.write(`${lines.join("\n")}\n`);
    return lost.length === 0 ? WHOLE : LOSSES;
  } catch (error) {
    process.stderr.write(`${command.name()}: ${reasonOf(error)}\n`);
    return FAILED;
  }
}

function headline(from: string, to: string, { saved, faults }: SalvageReport, lost: readonly string[]): string {
  if (lost.length > 0 && [...saved.values()].every((count) => count === 0)) {
    return `nothing could be saved from ${from}: ${faults[0] ?? lost[0]} (${to} is an empty store)`;
  }
  return `saved to ${to}: ${[...saved].map(([table, count]) => countText(count, table)).join(", ")}`;
}

function countText(count: number, table: string): string {
  return `${count} ${nameOf(table, count)}`;
}

function nameOf(table: string, count: number): string {
  const [one, several] = NAMES[table] ?? [table, table];
  return count === 1 ? one : several;
}

function lossLines({ losses, missing }: SalvageReport): string[] {
  const lines =
    missing === undefined ? [] : [`lost: ${missing}; what they published, and what they settled, is not known`];
  const byQueue = (text: (queue: string, count: number) => string, found: ReadonlyMap<string, readonly SeqRange[]>) => {
    for (const [queue, ranges] of found) lines.push(`${text(queue, sizeOfRanges(ranges))}: seq ${rangesText(ranges)}`);
  };
  byQueue((queue, count) => `lost in ${queue}: ${countText(count, "messages")}`, losses.messages);
  byQueue((queue, count) => `lost in ${queue}: ${countText(count, "dead")}`, losses.deadLetters);
  byQueue(
    (queue, count) => `doubtful in ${queue}, saved as the index has it: ${countText(count, "messages")}`,
    losses.doubtful,
  );
  for (const [table, ranges] of losses.unreadable) {
    const where = table === "messages" || table === "dead" || table === "bodies" ? `, seq ${rangesText(ranges)}` : "";
    lines.push(`unreadable: an unknown number of ${nameOf(table, Infinity)}${where}`);
  }
  for (const queue of losses.renamed) lines.push(`the name of a queue was damaged; what it holds is in ${queue}`);
  if (losses.maybeSettled > 0) {
    lines.push(`saved, and perhaps settled before, so delivered again: ${countText(losses.maybeSettled, "messages")}`);
  }
  return lines;
}

function rangesText(ranges: readonly SeqRange[]): string {
  return ranges.map(rangeText).join(", ");
}
