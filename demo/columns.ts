import { createColors } from "picocolors";

const MIN_WIDTH = 80;
const MAX_WIDTH = 120;
const TIME_WIDTH = 6;
/** "picked up c3ygue4j5d" */
const DRIVER_WIDTH = 20;
const GAP = " │ ";
/** What continues on the next row stands in by this much. */
const INDENT = "  ";

export type Actor = "vendor" | "d1" | "d2";

/** Prints what several processes say side by side: a column for each, and the seconds since the start before them. */
export class Columns {
  readonly colors: ReturnType<typeof createColors>;
  private readonly width: number;
  private readonly startedAt = performance.now();

  constructor(private readonly output: NodeJS.WriteStream) {
    this.colors = createColors(Boolean(output.isTTY) && !process.env.NO_COLOR);
    this.width = Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, output.isTTY ? output.columns : MAX_WIDTH));
  }

  header(titles: Record<Actor, string>): void {
    this.row("", titles, (text) => this.colors.bold(text));
  }

  say(actor: Actor, line: string): void {
    const paint = this.paintFor(line);
    wrap(line, this.columnWidth(actor)).forEach((part, row) => {
      this.row(row === 0 ? this.seconds() : "", { [actor]: part }, paint);
    });
  }

  /** A line across all columns: something happens to the processes themselves. */
  announce(text: string): void {
    const { bold, yellow } = this.colors;
    const line = `──── ${this.seconds()} s  ${text} `;
    this.output.write(`${bold(yellow(line.padEnd(this.width, "─")))}\n`);
  }

  print(line: string): void {
    this.output.write(`${line}\n`);
  }

  private row(time: string, texts: Partial<Record<Actor, string>>, paint: (text: string) => string): void {
    const { dim } = this.colors;
    const cells = (["vendor", "d1", "d2"] as const).map((actor) => {
      const cell = (texts[actor] ?? "").padEnd(this.columnWidth(actor));
      return texts[actor] === undefined ? cell : paint(cell);
    });
    const line = [dim(time.padStart(TIME_WIDTH)), ...cells].join(dim(GAP));
    this.output.write(`${this.colors.isColorSupported ? line : line.trimEnd()}\n`);
  }

  private columnWidth(actor: Actor): number {
    return actor === "vendor" ? this.width - TIME_WIDTH - 2 * DRIVER_WIDTH - 3 * GAP.length : DRIVER_WIDTH;
  }

  private seconds(): string {
    return ((performance.now() - this.startedAt) / 1000).toFixed(1);
  }

  private paintFor(line: string): (text: string) => string {
    const { green, yellow, dim } = this.colors;
    if (/^(Thank you|delivered)/.test(line)) return green;
    if (line.startsWith("in transit")) return dim;
    if (/^HUB:|kept until|no longer mine|given out before/.test(line)) return yellow;
    return String;
  }
}

/** Breaks a line between words. A word that is too long for a row is cut. */
function wrap(line: string, width: number): string[] {
  const rows: string[] = [];
  let row = "";
  for (const word of line.split(" ")) {
    const longer = row === "" ? word : `${row} ${word}`;
    if (longer.length <= width) {
      row = longer;
    } else {
      if (row !== "") rows.push(row);
      row = `${INDENT}${word}`.slice(0, width);
    }
  }
  return [...rows, row];
}
