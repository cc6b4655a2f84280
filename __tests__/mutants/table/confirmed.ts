import type { BrokenPromise } from "../mutant";
import { FAILED_COMMITS, FILE, JOURNAL, LEDGER, PROMISES, ROUTES } from "./suites";

export const CONFIRMED: BrokenPromise = {
  promise: "Confirmed means stored",
  mutants: [
    {
      name: "reply-before-commit",
      file: "src/stores/ledger/intake.ts",
      find: "firsts = await this.ledger.journal.append(",
      replace: "firsts = [];\n      void this.ledger.journal.append(",
      caughtBy: { file: LEDGER, test: "a publish is answered when the journal has answered" },
    },
    {
      name: "publish-confirmed-although-commit-failed",
      file: "src/stores/ledger/intake.ts",
      find: "for (const arrival of arrivals) arrival.end(false);\n      throw error;",
      replace: "for (const arrival of arrivals) arrival.end(false);\n      return;",
      caughtBy: { file: "__tests__/stores/ledger-faults.test.ts", test: "a refused append leaves no trace" },
    },
    {
      name: "ack-confirmed-although-commit-failed",
      file: "src/stores/ledger/settlements.ts",
      find: "for (const { lease } of settling) lease.settling = undefined;\n      throw error;",
      replace: "for (const { lease } of settling) lease.settling = undefined;\n      return;",
      caughtBy: { file: LEDGER, test: "a second ack of a delivery is no better than the first" },
    },
    {
      name: "second-ack-confirmed-before-the-first-is-stored",
      file: "src/stores/ledger/settlements.ts",
      find: "if (isSecondAck) seconds.push({ index: results.length, first: lease.settling.batch });",
      replace: "",
      caughtBy: { file: LEDGER, test: "a second ack of a delivery is no better than the first" },
    },
    {
      name: "failed-commit-answered-as-done",
      file: "src/stores/sqlite/call-line.ts",
      find: "tell: () => call.reject(refusal) });",
      replace: "tell: () => (refusal.message ? call.resolve([] as never) : undefined) });",
      caughtBy: { file: JOURNAL, test: "a commit that failed is an error to all that were in it, and to nobody else" },
    },
    {
      name: "goes-on-without-its-store",
      file: "src/stores/sqlite/call-line.ts",
      find: "for (const { reject } of this.pending.splice(0)) reject(this.broken);",
      replace: "for (const { resolve } of this.pending.splice(0)) resolve([] as never);",
      caughtBy: { file: JOURNAL, test: "a worker that is lost is an error to all that wait, and to all that come" },
    },
    {
      name: "goes-on-after-a-sync-that-failed",
      file: "src/stores/sqlite/committer.ts",
      find: "if (isFailedSync(error)) return",
      replace: "if (isFailedSync(error) && count === 0) return",
      caughtBy: { file: FAILED_COMMITS, test: "is the store's last" },
    },
    {
      name: "memory-called-disk",
      file: "src/stores/memory.ts",
      find: 'readonly durability = "memory";',
      replace: 'readonly durability = "disk";',
      caughtBy: { file: PROMISES, test: "on the memory store 1. Confirmed means stored" },
    },
    {
      name: "ack-not-written",
      file: "src/stores/sqlite/changer.ts",
      find: "this.end(seq, body);\n          if (how",
      replace: "if (how",
      caughtBy: { file: "__tests__/conformance/sqlite.test.ts", test: "has all that was confirmed, in order" },
    },
    {
      name: "caps-pickup-acked-before-its-news-is-stored",
      file: "src/caps/progress.ts",
      find: "const { status } = await store(",
      replace:
        'await ackAll(line, findHeld(line.session, { messageId: answered, orderId, store: shop, event: "pickup" }));\n' +
        "    const { status } = await store(",
      caughtBy: { file: "__tests__/caps/requests.test.ts", test: "a pickup stays when the news of it is not stored" },
    },
    {
      name: "routed-copy-lost-without-a-word",
      file: "src/queue/publish-plan.ts",
      find: 'if (result === undefined || "error" in result) return { id, error: toWireError(result?.error) };',
      replace: "if (result === undefined) return { id, error: toWireError(undefined) };",
      caughtBy: { file: ROUTES, test: "a message is stored when all its copies are" },
    },
    {
      name: "queue-lost-by-a-failed-commit",
      file: "src/stores/sqlite/standing-calls.ts",
      find: 'return call.kind === "queue" || call.kind === "leave";',
      replace: 'return call.kind === "leave";',
      caughtBy: { file: FILE, test: "files the queues of a commit that failed with the next one" },
    },
    {
      name: "failed-commit-half-done",
      file: "src/stores/sqlite/sqlite-file.ts",
      find: 'if (this.database.inTransaction) this.database.exec("ROLLBACK");',
      replace: 'if (this.database.inTransaction) this.database.exec("COMMIT");',
      caughtBy: { file: FILE, test: "does all of a commit's calls or none" },
    },
    {
      name: "endings-of-a-failed-commit-told",
      file: "src/stores/sqlite/sqlite-file.ts",
      find: "this.endings.forget();",
      replace: "",
      caughtBy: { file: FILE, test: "does all of a commit's calls or none" },
    },
  ],
};
