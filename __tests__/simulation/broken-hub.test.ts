/** That the checks can fail: a hub that breaks a promise is found out within a few runs. */
import { IdTable } from "../../src/protocol/id-table";
import { Session } from "../../src/queue/session";
import { QueueState } from "../../src/stores/ledger/queue-state";
import { RecentDeliveries } from "../../src/stores/ledger/recent-deliveries";
import { Appender } from "../../src/stores/sqlite/appender";
import { IdWindow } from "../../src/stores/sqlite/id-window";
import { LeaseMarks } from "../../src/stores/sqlite/lease-marks";
import { RoomRows } from "../../src/stores/sqlite/room-rows";
import { SqliteJournal } from "../../src/stores/sqlite/sqlite-journal";
import { simulate } from "./simulation";

afterEach(() => jest.restoreAllMocks());

const ENOUGH_RUNS = 100;

test.each<[what: string, breakIt: () => void]>([
  [
    "confirms before it has stored",
    () => (SqliteJournal.prototype.append = afterTheAnswer(SqliteJournal.prototype.append)),
  ],
  ["forgets what may have been out", () => void jest.spyOn(LeaseMarks.prototype, "countAttempts").mockImplementation()],
  ["gives out seqs again", () => void jest.spyOn(Appender.prototype, "writeLastSeq").mockImplementation()],
  ["forgets ids", () => void jest.spyOn(IdWindow.prototype, "remember").mockReturnValue(0)],
  ["lets a group's messages overtake", () => void jest.spyOn(QueueState.prototype, "holdGroup").mockImplementation()],
  ["knows no prefetch", () => void jest.spyOn(Session.prototype, "held").mockReturnValue(new IdTable())],
  ["calls everything acked", () => void jest.spyOn(RecentDeliveries.prototype, "wasAcked").mockReturnValue(true)],
  ["keeps no history", () => void jest.spyOn(RoomRows.prototype, "join").mockReturnValue(NOTHING_REPLAYED)],
])(
  "a hub that %s is found out",
  async (_what, breakIt) => {
    const { append } = SqliteJournal.prototype;
    breakIt();
    try {
      expect(await runsUntilFoundOut()).toBeLessThanOrEqual(ENOUGH_RUNS);
    } finally {
      SqliteJournal.prototype.append = append;
    }
  },
  60_000,
);

const NOTHING_REPLAYED: ReturnType<RoomRows["join"]> = {
  replayed: [],
  delayed: 0,
  bytes: 0,
  delayedBytes: 0,
  missing: undefined,
};

/** Answers at once that all is stored, whatever becomes of it. */
function afterTheAnswer(append: SqliteJournal["append"]): SqliteJournal["append"] {
  return function (this: SqliteJournal, ...given) {
    append.apply(this, given).catch(() => {});
    return Promise.resolve([]);
  };
}

async function runsUntilFoundOut(): Promise<number> {
  for (let run = 1; run <= ENOUGH_RUNS; run++) {
    const { breaches } = await simulate(run);
    if (breaches.length > 0) return run;
  }
  return Infinity;
}
