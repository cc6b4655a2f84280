import type { BrokenPromise } from "../mutant";
import { CLOCK, DISPATCHER, LEDGER, MEMORY, PUBLISH, SQLITE } from "./suites";

const AFTER_A_CRASH = "crashed and opened again";

const CLOCK_ON_DISK = "__tests__/stores/clock-steps.test.ts";

export const TIME: BrokenPromise = {
  promise: "Nothing early, nothing late",
  mutants: [
    {
      name: "expired-message-delivered",
      file: "src/stores/ledger/leasing.ts",
      find: "if (message.expiresAt === undefined || message.expiresAt > now || this.deadlines.isBehind) return message;",
      replace: "if (message.seq > 0) return message;",
      caughtBy: { file: MEMORY, test: "a message whose time passes while it is out may still be acked" },
    },
    {
      name: "expiry-not-counted",
      file: "src/stores/ledger/deadlines.ts",
      find: "queue.expired++;",
      replace: "",
      caughtBy: { file: MEMORY, test: "an expired message is never given, and counted" },
    },
    {
      name: "expiry-not-counted-for-good",
      file: "src/stores/sqlite/changer.ts",
      find: 'if (how === "expired") this.countExpired.run(queueNo);',
      replace: "",
      caughtBy: { file: SQLITE, test: `${AFTER_A_CRASH} has counted what expired` },
    },
    {
      name: "expired-message-not-kept-where-its-queue-says-so",
      file: "src/stores/ledger/deadlines.ts",
      find: "if (!this.ledger.settings.rules.of(queue.address).deadLetterExpired) {",
      replace: "if (!this.ledger.settings.rules.of(queue.address).deadLetterExpired || row.seq > 0) {",
      caughtBy: { file: MEMORY, test: "are dead letters, wherever they were" },
    },
    {
      name: "lease-ended-early",
      file: "src/queue/dispatcher.ts",
      find: "this.settings.rules.of(queue).leaseMs).then(",
      replace: "this.settings.rules.of(queue).leaseMs / 2).then(",
      caughtBy: { file: CLOCK, test: "set forwards by an hour ends no lease early, and none late" },
    },
    {
      name: "extension-without-effect",
      file: "src/stores/ledger/settlements.ts",
      find: "lease.deadline = request.settlement.deadline;",
      replace: "",
      caughtBy: { file: MEMORY, test: "an extension moves the deadline" },
    },
    {
      name: "delayed-message-ready-after-a-restart",
      file: "src/stores/sqlite/reader.ts",
      find: "WHERE queue = ? AND priority = ? AND due_at IS NULL AND seq > ? ORDER BY seq`",
      replace: "WHERE queue = ? AND priority = ? AND seq > ? ORDER BY seq`",
      caughtBy: { file: SQLITE, test: `${AFTER_A_CRASH} holds back what is delayed` },
    },
    {
      name: "expired-while-it-was-leased-and-delivered",
      file: "src/queue/dispatcher.ts",
      find: "(now === leasedAt || deliveries.every(isInTime))",
      replace: "(now >= leasedAt || deliveries.every(isInTime))",
      caughtBy: { file: DISPATCHER, test: "what expires while the store is about to give it out" },
    },
    {
      name: "delayed-message-forgotten-by-a-restart",
      file: "src/stores/ledger/ledger.ts",
      find: "this.nextDue = snapshot.nextDue ?? Infinity;",
      replace: "",
      caughtBy: { file: SQLITE, test: `${AFTER_A_CRASH} holds back what is delayed` },
    },
    {
      name: "clock-step-not-followed-by-leases",
      file: "src/stores/ledger/deadlines.ts",
      find: "for (const lease of queue.leases.values()) lease.deadline += byMs;",
      replace: "",
      caughtBy: { file: CLOCK, test: "set back by an hour ends no lease early, and none late" },
    },
    {
      name: "clock-step-not-followed-by-the-next-look-at-leases",
      file: "src/stores/ledger/deadlines.ts",
      find: "queue.earliestDeadline += byMs;",
      replace: "",
      caughtBy: { file: CLOCK, test: "set back by an hour ends no lease early, and none late" },
    },
    {
      name: "clock-step-not-followed-by-delays",
      file: "src/stores/memory.ts",
      find: "const move = row.isDueFixed ? 0 : byMs;",
      replace: "const move = 0;",
      caughtBy: { file: CLOCK, test: "set forwards by an hour leaves delays, backoff and times to live as long" },
    },
    {
      name: "clock-step-moves-a-time-of-day",
      file: "src/stores/memory.ts",
      find: "const move = row.isDueFixed ? 0 : byMs;",
      replace: "const move = byMs;",
      caughtBy: { file: CLOCK, test: "set forwards by an hour does not move a time of day" },
    },
    {
      name: "clock-step-not-followed-by-delays-on-disk",
      file: "src/stores/sqlite/sqlite-file.ts",
      find: '"UPDATE messages SET due_at = due_at + ? WHERE due_at IS NOT NULL AND due_fixed IS NULL",',
      replace: '"UPDATE messages SET due_at = due_at + 0 * ? WHERE due_at IS NOT NULL AND due_fixed IS NULL",',
      caughtBy: { file: SQLITE, test: "so does a delay, of the publisher's or of a retry" },
    },
    {
      name: "clock-step-moves-a-time-of-day-on-disk",
      file: "src/stores/sqlite/sqlite-file.ts",
      find: '"UPDATE messages SET due_at = due_at + ? WHERE due_at IS NOT NULL AND due_fixed IS NULL",',
      replace: '"UPDATE messages SET due_at = due_at + ? WHERE due_at IS NOT NULL",',
      caughtBy: { file: SQLITE, test: "what is due at a time of day is due then" },
    },
    {
      name: "time-to-live-counted-from-the-publish",
      file: "src/queue/publisher.ts",
      find: "(due.dueAt ?? now) + message.ttlMs",
      replace: "now + message.ttlMs",
      caughtBy: { file: PUBLISH, test: "counts a time to live from then on" },
    },
    {
      name: "time-that-passed-while-a-message-was-out-forgotten",
      file: "src/stores/ledger/settlements.ts",
      find: "this.ledger.lookForExpiryAt(lease.message.expiresAt);",
      replace: "",
      caughtBy: { file: LEDGER, test: "ends a message that was out meanwhile, also if nobody asks for it again" },
    },
    {
      name: "clock-step-of-a-failed-commit-forgotten",
      file: "src/stores/sqlite/standing-calls.ts",
      find: 'if (call.kind === "move") return call.argument.byMs !== 0;',
      replace: 'if (call.kind === "move") return call.argument.byMs === 0;',
      caughtBy: { file: CLOCK_ON_DISK, test: "moves what was there before, once" },
    },
    {
      name: "clock-step-of-a-failed-commit-after-what-comes-next",
      file: "src/stores/sqlite/sqlite-file.ts",
      find: "for (const call of owed) this.carryOut(call);\n      results = calls.map((call) => this.carryOut(call));",
      replace:
        "results = calls.map((call) => this.carryOut(call));\n      for (const call of owed) this.carryOut(call);",
      caughtBy: { file: CLOCK_ON_DISK, test: "moves nothing that is published before the next look" },
    },
    {
      name: "clock-step-that-could-not-be-written-moves-what-came-later-in-memory",
      file: "src/stores/ledger/deadlines.ts",
      find: "message.seq <= step.lastSeq",
      replace: "message.seq <= ledger.lastSeq",
      caughtBy: { file: CLOCK_ON_DISK, test: "tells those who take them the same" },
    },
    {
      name: "time-to-live-from-a-time-of-day-not-moved-in-history",
      file: "src/stores/sqlite/sqlite-file.ts",
      find: "AND (due_fixed IS NULL OR due_at <= ?)",
      replace: "AND due_fixed IS NULL AND ? > 0",
      caughtBy: { file: SQLITE, test: "lives as long from its time of day on" },
    },
  ],
};
