import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ERRORS } from "../../src/protocol/errors";

const PAGE = readFileSync(join(__dirname, "../../docs/protocol.md"), "utf8");

describe("the table of errors in docs/protocol.md", () => {
  const documented = rowsUnder("## Errors").map(([code = "", cause = "", retryable = ""]) => ({
    code: code.replaceAll("`", ""),
    cause,
    retryable,
  }));

  test("says what src/protocol/errors.ts says: the same codes in the same order, each with its cause", () => {
    const inCode = Object.entries(ERRORS).map(([code, { cause, retryable }]) => ({
      code,
      cause,
      retryable: retryable ? "yes" : "no",
    }));

    expect(documented).toEqual(inCode);
  });

  test("lists each code once", () => {
    const codes = documented.map((row) => row.code);

    expect(codes).toEqual([...new Set(codes)]);
  });
});

test("docs/protocol.md uses no error code that the table does not have", () => {
  const shouted = PAGE.match(/`[A-Z]{4,}(_[A-Z]+)*`/g) ?? [];
  const unknown = shouted.map((code) => code.replaceAll("`", "")).filter((code) => !(code in ERRORS));

  expect(unknown).toEqual([]);
});

/** The cells of the first table under a heading, without its head. */
function rowsUnder(heading: string): string[][] {
  const section = PAGE.split(`\n${heading}\n`)[1]?.split(/\n## /)[0] ?? "";
  const table = /(?:^\|.*\n)+/m.exec(section)?.[0] ?? "";
  const rows = table.trim().split("\n").slice(2);
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
