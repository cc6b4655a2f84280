import { Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { Columns } from "../../demo/columns";

test.each([80, 120])("on a terminal of %d columns no row is wider", (columns) => {
  let written = "";
  const output = new Writable({ write: (chunk, _encoding, done) => ((written += String(chunk)), done()) });
  const screen = new Columns(Object.assign(output, { isTTY: true, columns }) as unknown as NodeJS.WriteStream);
  screen.say("vendor", "Thank you for your order Mei-Ling Chou (tz7w95ah84)");
  screen.say("d2", "picked up tz7w95ah84 (given out before)");
  const rows = written.split("\n").map((row) => stripVTControlCharacters(row));
  expect(rows.join(" ").replace(/[│\s]+/g, " ")).toContain("picked up tz7w95ah84 (given out before)");
  for (const row of rows) expect(row.length).toBeLessThanOrEqual(columns);
});
