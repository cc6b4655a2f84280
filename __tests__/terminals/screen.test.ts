import { PassThrough } from "node:stream";
import type { ReadStream, WriteStream } from "node:tty";
import { Screen, shown } from "../../clients/terminal/screen";

/** Streams that behave like a terminal of 40 columns, or like pipes. */
function streams(isTTY: boolean): { input: PassThrough; output: PassThrough; screen: Screen; written: () => string } {
  const input = Object.assign(new PassThrough(), { isTTY, setRawMode: () => undefined });
  const output = Object.assign(new PassThrough(), { isTTY, columns: 40 });
  let text = "";
  output.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const screen = new Screen(input as unknown as ReadStream, output as unknown as WriteStream);
  return { input, output, screen, written: () => text };
}

/** What a terminal of 40 columns shows after this was written to it, for the sequences that readline uses. */
function render(written: string): string[] {
  const rows: string[][] = [[]];
  let row = 0;
  let column = 0;
  // eslint-disable-next-line no-control-regex -- escape sequences are what is looked for
  for (const [, sequence, amount, character] of written.matchAll(/(\u001b\[(\d*)[A-KG])|([^\u001b])/gu)) {
    const count = Number(amount || "1");
    if (sequence?.endsWith("A")) row = Math.max(0, row - count);
    else if (sequence?.endsWith("B")) row += count;
    else if (sequence?.endsWith("C")) column += count;
    else if (sequence?.endsWith("D")) column = Math.max(0, column - count);
    else if (sequence?.endsWith("G")) column = count - 1;
    else if (sequence?.endsWith("J")) {
      rows.length = row + 1;
      rows[row]?.splice(column);
    } else if (sequence?.endsWith("K")) rows[row]?.splice(column);
    else if (character === "\r") column = 0;
    else if (character === "\n") row++;
    else if (character !== undefined) {
      if (column === 40) {
        row++;
        column = 0;
      }
      (rows[row] ??= [])[column++] = character;
    }
    while (rows.length <= row) rows.push([]);
  }
  return rows.map((cells) =>
    Array.from(cells, (cell) => cell ?? " ")
      .join("")
      .trimEnd(),
  );
}

const HANDLERS = { onLine: () => undefined, onEnd: () => undefined };

test("on a terminal, the prompt and what was typed stay below what is printed", () => {
  const { input, screen, written } = streams(true);
  screen.open("vendor> ", HANDLERS);
  screen.print("first");
  input.write("orde");
  screen.print("second");
  input.write("rs");
  expect(render(written())).toEqual(["first", "second", "vendor> orders"]);
  screen.close();
});

test("a typed line longer than the terminal is wide stays whole as well", () => {
  const { input, screen, written } = streams(true);
  const long = `order ${"x".repeat(90)}`;
  screen.open("vendor> ", HANDLERS);
  input.write(long);
  screen.print("first");
  screen.print("second");
  const [first, second, ...typed] = render(written());
  expect([first, second]).toEqual(["first", "second"]);
  expect(typed.join("").trimEnd()).toBe(`vendor> ${long}`);
  screen.close();
});

test("after closing, lines take the place of the prompt", () => {
  const { screen, written } = streams(true);
  screen.open("vendor> ", HANDLERS);
  screen.print("first");
  screen.close();
  screen.print("last");
  expect(render(written()).filter((line) => line !== "")).toEqual(["first", "last"]);
});

test("in a pipe there are plain lines, no prompt, and typed lines are taken", () => {
  const { input, screen, written } = streams(false);
  const lines: string[] = [];
  const ends: boolean[] = [];
  screen.open("vendor> ", { onLine: (line) => lines.push(line), onEnd: (byHand) => ends.push(byHand) });
  input.write("help\n  quit \n");
  input.end();
  screen.print(screen.colors.green("first"));
  return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
    expect(lines).toEqual(["help", "quit"]);
    expect(ends).toEqual([false]);
    expect(written()).toBe("first\n");
  });
});

test("other people's text is shown without control characters, and not endlessly", () => {
  expect(shown("Jamal\u001b[2J\u0007 Braun\n")).toBe("Jamal Braun ");
  expect(shown("x".repeat(1_000))).toHaveLength(80);
});
