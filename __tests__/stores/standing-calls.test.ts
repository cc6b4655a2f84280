import type { Call } from "../../src/stores/sqlite/calls";
import { StandingCalls } from "../../src/stores/sqlite/standing-calls";

const PROBE: Call = { kind: "probe", argument: null };
const filed = (no: number): Call => ({ kind: "queue", argument: { no, address: `/:q${no}`, creator: "acme" } });
const step = (byMs: number): Call => ({ kind: "move", argument: { byMs, before: 0 } });
const leave = (roomNo: number, inboxNo: number): Call => ({ kind: "leave", argument: { roomNo, inboxNo } });

it("puts before others what stands and failed, in order, until it is carried out", () => {
  const standing = new StandingCalls();
  const failed = [filed(1), PROBE, step(5), leave(1, 2)];
  standing.keep(failed);
  expect(standing.before([PROBE], true)).toEqual([filed(1), step(5), leave(1, 2)]);
  standing.settle([PROBE]);
  expect(standing.before([], true)).toHaveLength(3);
  standing.settle(failed);
  expect(standing.before([], true)).toEqual([]);
});

it("leaves what is tried again where it is among the others", () => {
  const standing = new StandingCalls();
  const again = [filed(1), step(5)];
  standing.keep(again);
  expect(standing.before(again, true)).toEqual([]);
  standing.keep(again);
  expect(standing.before([], true)).toEqual([filed(1), step(5)]);
});

it("puts a step of the clock off where there is no room, and nothing else", () => {
  const standing = new StandingCalls();
  standing.keep([step(5), filed(1)]);
  const carried = standing.before([PROBE], false);
  expect(carried).toEqual([filed(1)]);
  standing.settle([...carried, PROBE]);
  expect(standing.before([PROBE], true)).toEqual([step(5)]);
});

it("does not grow with those that are asked for again", () => {
  const standing = new StandingCalls();
  for (let each = 0; each < 10; each++) standing.keep([step(0), leave(1, 2), leave(1, 3), leave(2, 2)]);
  expect(standing.before([], true)).toEqual([leave(1, 2), leave(1, 3), leave(2, 2)]);
});
