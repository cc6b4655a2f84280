import { clearScreenDown, createInterface, cursorTo, moveCursor, type Interface } from "node:readline";
import { stripVTControlCharacters } from "node:util";
import { createColors } from "picocolors";

type Colors = ReturnType<typeof createColors>;

/** Longest text of somebody else's that is shown on one line, in characters. */
const MAX_SHOWN_LENGTH = 80;

export interface ScreenHandlers {
  /** A line was typed, or came through a pipe. */
  onLine(line: string): void;
  /** There will be no more lines. `byHand`: someone pressed Ctrl-D. */
  onEnd(byHand: boolean): void;
}

/**
 * Lines out, typed lines in. On a terminal a prompt stays below everything that is printed, and keeps what was typed so
 * far; in a pipe there are plain lines and no prompt.
 */
export class Screen {
  readonly colors: Colors;
  private readonly typing: boolean;
  private reader: Interface | undefined;
  private interrupt: (() => void) | undefined;

  constructor(
    private readonly input: NodeJS.ReadStream = process.stdin,
    private readonly output: NodeJS.WriteStream = process.stdout,
  ) {
    const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
    // Asked of the stream and not of picocolors, which colours pipes as well where CI is set.
    this.colors = createColors(!NO_COLOR && (Boolean(FORCE_COLOR) || (Boolean(output.isTTY) && TERM !== "dumb")));
    this.typing = Boolean(input.isTTY && output.isTTY);
  }

  /** Hears Ctrl-C and its like from other processes, until `close()`. */
  onInterrupt(interrupt: () => void): void {
    this.interrupt = interrupt;
    process.on("SIGINT", interrupt);
    process.on("SIGTERM", interrupt);
    // A reader that goes away (`| head`) ends the terminal as Ctrl-C does, instead of crashing it.
    this.output.on("error", interrupt);
  }

  /** Takes typed lines from now on. */
  open(prompt: string, handlers: ScreenHandlers): void {
    const { input, output, typing } = this;
    const reader = createInterface({ input, output: typing ? output : undefined, terminal: typing, prompt });
    this.reader = reader;
    reader.on("line", (line) => {
      handlers.onLine(line.trim());
      this.redraw();
    });
    // Raw mode keeps Ctrl-C from becoming a signal.
    reader.on("SIGINT", () => this.interrupt?.());
    reader.on("close", () => {
      if (this.reader !== reader) return;
      this.reader = undefined;
      if (typing) output.write("\n");
      handlers.onEnd(typing);
    });
    this.redraw();
  }

  print(line: string): void {
    const reader = this.typing ? this.reader : undefined;
    if (!reader) {
      this.output.write(`${line}\n`);
      return;
    }
    const { rows } = reader.getCursorPos();
    moveCursor(this.output, 0, -rows);
    cursorTo(this.output, 0);
    clearScreenDown(this.output);
    this.output.write(`${line}\n`);
    // The reader begins its redrawing by going up the rows that it drew last, and those were just cleared.
    Object.assign(reader, { prevRows: 0 });
    this.redraw();
  }

  /** Takes no more lines and signals. What is printed from here on takes the place of the prompt. */
  close(): void {
    if (this.interrupt) {
      process.off("SIGINT", this.interrupt);
      process.off("SIGTERM", this.interrupt);
      this.interrupt = undefined;
    }
    const reader = this.reader;
    if (!reader) return;
    this.reader = undefined;
    if (this.typing) {
      cursorTo(this.output, 0);
      clearScreenDown(this.output);
    }
    reader.close();
  }

  private redraw(): void {
    if (this.typing) this.reader?.prompt(true);
  }
}

/** Somebody else's text as it may stand on a line of a terminal: no control characters, and not endless. */
export function shown(text: string, maxLength = MAX_SHOWN_LENGTH): string {
  const plain = stripVTControlCharacters(text).replace(/\p{C}+/gu, " ");
  return plain.length > maxLength ? `${plain.slice(0, maxLength - 1)}…` : plain;
}
