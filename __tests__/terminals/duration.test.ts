import { parseDuration } from "../../clients/terminal/duration";

test.each([
  ["200ms", 200],
  ["5s", 5_000],
  ["1.5m", 90_000],
  ["2h", 7_200_000],
  ["30d", 2_592_000_000],
  [" 1s ", 1_000],
  ["0s", 0],
])("%s is %d ms", (text, durationMs) => {
  expect(parseDuration(text)).toBe(durationMs);
});

test.each(["", "5", "s", "-1s", "5 s", "1s2", "1e3ms", "5sec", "9".repeat(30) + "d"])("%j is no duration", (text) => {
  expect(parseDuration(text)).toBeUndefined();
});
