import { describeAppend } from "./parts/append";
import { describeClockSteps } from "./parts/clock-steps";
import { describeDeadLetters } from "./parts/dead-letters";
import { describeGroups } from "./parts/groups";
import { describeLimits } from "./parts/limits";
import { describeOverflow } from "./parts/overflow";
import { describePriority } from "./parts/priority";
import { describeRestarts } from "./parts/restarts";
import { describeRooms } from "./parts/rooms";
import { describeSettle } from "./parts/settle";
import { describeTime } from "./parts/time";
import { describeTrace } from "./parts/trace";
import { StoreInSuite, type StoreUnderTest } from "./store-in-suite";

export { message, SUITE_SETTINGS, type StoreUnderTest } from "./store-in-suite";

const PARTS = [
  describeAppend,
  describePriority,
  describeGroups,
  describeSettle,
  describeTime,
  describeClockSteps,
  describeDeadLetters,
  describeRooms,
  describeLimits,
  describeOverflow,
  describeTrace,
  describeRestarts,
];

/** What every store must do, whatever it is made of. */
export function describeStore(name: string, subject: StoreUnderTest, parts: typeof PARTS = PARTS): void {
  describe(`${name} as a store`, () => {
    const on = new StoreInSuite(subject);
    beforeEach(() => on.open());
    afterEach(() => on.close());
    for (const part of parts) part(on);
  });
}
