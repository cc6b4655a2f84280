import type { BrokenPromise } from "../mutant";
import { FILE, JOURNAL, MEMORY, REDELIVERY, SQLITE } from "./suites";

export const ONCE_PER_ID: BrokenPromise = {
  promise: "Once per id",
  mutants: [
    {
      name: "ids-forgotten-by-a-restart",
      file: "src/stores/sqlite/id-window.ts",
      find: "for (const hash of hashes) this.fingerprints.add(hash, no);",
      replace: "hashes.fill(0);",
      caughtBy: { file: SQLITE, test: "crashed and opened again remembers ids" },
    },
    {
      name: "ids-of-all-queues-in-one",
      file: "src/stores/sqlite/id-window.ts",
      find: "remember(queueNo: number, id: string, seq: number): number {",
      replace: "remember(_queueNo: number, id: string, seq: number): number {\n    const queueNo = 0;",
      caughtBy: { file: SQLITE, test: "stores an id once per queue and answers the first seq" },
    },
    {
      name: "ids-taken-for-those-that-look-alike",
      file: "src/stores/sqlite/id-window.ts",
      find: "const at = lines.indexOf(line);",
      replace: 'const at = Math.max(0, lines.lastIndexOf("\\t") - line.length + 1);',
      caughtBy: { file: "__tests__/stores/id-window.test.ts", test: "are told from one another" },
    },
    {
      name: "ids-of-a-failed-commit-remembered",
      file: "src/stores/sqlite/sqlite-file.ts",
      find: "this.ids.forget();",
      replace: "this.ids.keep();",
      caughtBy: { file: "__tests__/stores/id-window.test.ts", test: "of a transaction that was rolled back" },
    },
    {
      name: "ids-of-all-queues-in-one-in-memory",
      file: "src/stores/memory.ts",
      find: "return `${queueNo}/${id}`;",
      replace: "return id;",
      caughtBy: { file: MEMORY, test: "stores an id once per queue and answers the first seq" },
    },
    {
      name: "ids-forgotten-before-their-window-is-over",
      file: "src/stores/sqlite/id-window.ts",
      find: "const former = this.older.find(hash, queueNo, id) || this.young",
      replace: "const former = this.young",
      caughtBy: { file: SQLITE, test: "an id is remembered although as many others came as one window holds" },
    },
    {
      name: "duplicate-answered-with-its-own-seq",
      file: "src/stores/ledger/intake.ts",
      find: '{ status: "duplicate", seq: first }',
      replace: '{ status: "duplicate", seq: arrival.row.message.seq }',
      caughtBy: { file: MEMORY, test: "stores an id once per queue and answers the first seq" },
    },
    {
      name: "seq-given-again-after-a-restart",
      file: "src/stores/sqlite/sqlite-file.ts",
      find: "this.appender.writeLastSeq();",
      replace: "",
      caughtBy: { file: SQLITE, test: "crashed and opened again never gives a seq twice" },
    },
    {
      name: "client-sends-again-under-a-new-id",
      file: "clients/hub-client/outbox.ts",
      find: "batch.map(jsonOf)",
      replace: "batch.map(({ json, id }) => json.replace(id, this.nextId()))",
      caughtBy: {
        file: "__tests__/clients/publish.test.ts",
        test: "sends what was not confirmed again, under the same ids",
      },
    },
    {
      name: "client-forgets-what-it-finished-with-the-lease",
      file: "clients/hub-client/consumer.ts",
      find: 'if (delivery.verdict === "ack") this.parts.finished.add(delivery.message);',
      replace: "",
      caughtBy: { file: REDELIVERY, test: "and acks their messages when they are delivered again" },
    },
    {
      name: "client-handles-a-finished-message-again",
      file: "clients/hub-client/consumer.ts",
      find: "message.redelivered === true && this.parts.finished.has(message)",
      replace: 'message.redelivered === true && this.parts.finished.has({ ...message, id: "" })',
      caughtBy: { file: REDELIVERY, test: "acks a finished message only when it is delivered again" },
    },
    {
      name: "client-starts-a-second-handler",
      file: "clients/hub-client/consumer.ts",
      find: "if (known && this.continues(known, message, now)) return;",
      replace: "",
      caughtBy: { file: REDELIVERY, test: "does not start a second handler while the first works" },
    },
    {
      name: "duplicate-told-to-another-publisher",
      file: "src/stores/sqlite/sqlite-journal.ts",
      find: "(duplicates[at] ?? 0) - from",
      replace: "(duplicates[at] ?? 0) - 0 * from",
      caughtBy: { file: JOURNAL, test: "each hears of its own duplicates only" },
    },
    {
      name: "seq-given-again-after-a-failed-commit",
      file: "src/stores/sqlite/appender.ts",
      find: "this.setLastSeq.run(this.lastSeq);",
      replace: "this.setLastSeq.run(this.lastSeq);\n    this.writtenSeq = this.lastSeq;",
      caughtBy: { file: FILE, test: "gives no seq again that a commit has taken that failed" },
    },
    {
      name: "stored-message-refused-by-a-queue-that-is-full-by-now",
      file: "src/stores/ledger/intake.ts",
      find: 'if (arrival.code === "QUEUE_FULL") portion.refused.push(',
      replace: 'if (arrival.code === "INTERNAL") portion.refused.push(',
      caughtBy: {
        file: "__tests__/integration/full-queues.test.ts",
        test: "tells a publisher that lost its answer that the message is stored",
      },
    },
  ],
};
