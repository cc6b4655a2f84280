import type { BrokenPromise } from "../mutant";
import { ALONE } from "./suites";

const COUNTS = "__tests__/performance/counts.test.ts";
const STATEMENTS = { file: COUNTS, test: "few statements a transaction" };

export const COSTS: BrokenPromise = {
  promise: "A message costs as little as before",
  mutants: [
    {
      name: "client-sends-a-packet-for-each-publish-and-ack",
      file: "clients/hub-client/packet-room.ts",
      find: "this.items >= this.maxItems",
      replace: "this.items >= Math.min(1, this.maxItems)",
      caughtBy: { file: COUNTS, test: "take few enough: packetsIn" },
    },
    {
      name: "client-sends-packets-that-live-long-where-they-are-read",
      file: "clients/hub-client/packet-room.ts",
      find: "const MAX_BATCH_LENGTH = 96_000;",
      replace: "const MAX_BATCH_LENGTH = 960_000;",
      caughtBy: { file: "__tests__/clients/publish.test.ts", test: "several messages below 100 KiB" },
    },
    {
      name: "a-packet-for-each-delivery",
      file: "src/transport/encoder.ts",
      find: "count >= limits.maxBatch",
      replace: "count >= Math.min(1, limits.maxBatch)",
      caughtBy: { file: COUNTS, test: "take few enough: packetsOut" },
    },
    {
      name: "a-system-call-for-each-packet",
      file: "src/transport/corked.ts",
      find: "stream?.cork();",
      replace: "",
      caughtBy: { file: COUNTS, test: "take few enough: writes" },
    },
    {
      name: "a-system-call-more-for-each-connection",
      file: "src/transport/corked.ts",
      find: "  socket.cork();",
      replace: "",
      caughtBy: { file: COUNTS, test: "a connection takes three writes" },
    },
    {
      name: "a-post-for-each-request",
      file: "src/stores/sqlite/sqlite-journal.ts",
      find: "for (const change of changes) into.add(change);",
      replace:
        "for (const change of changes) into.add(change);\n    (this.line as unknown as { post(): void }).post();",
      caughtBy: { file: COUNTS, test: "take few enough: posts" },
    },
    {
      name: "an-append-for-each-message-that-comes-alone",
      file: "src/queue/publisher.ts",
      find: "sessions.add(session);",
      replace: "sessions.add(session);\n    this.storeGathered();",
      caughtBy: { file: ALONE, test: "messages that come alone, but together, go to the store together" },
    },
    {
      name: "an-answer-for-each-call",
      file: "src/stores/sqlite/worker.ts",
      find: "    answer(committed);\n",
      replace:
        '    if ("results" in committed) for (const result of committed.results) answer({ results: [result] });\n' +
        "    else answer(committed);\n",
      caughtBy: { file: COUNTS, test: "are answered once a transaction" },
    },
    {
      name: "a-transaction-for-each-post",
      file: "src/stores/sqlite/committer.ts",
      find: "while (rows < enough) {",
      replace: "while (rows < Math.min(0, enough)) {",
      caughtBy: { file: "__tests__/stores/committer.test.ts", test: "posts that wait are committed together" },
    },
    {
      name: "as-many-in-a-transaction-however-slow-the-disk",
      file: "src/stores/sqlite/committer.ts",
      find: "Math.max(1, this.file.lastCommitMs)",
      replace: "1",
      caughtBy: { file: "__tests__/stores/committer.test.ts", test: "takes five milliseconds, posts that wait" },
    },
    {
      name: "a-call-for-each-append",
      file: "src/stores/sqlite/call-line.ts",
      find: "if (this.gathering?.kind !== kind) {",
      replace: "if (this.gathering?.kind !== kind || this.hasAppend) {",
      caughtBy: { file: COUNTS, test: "take few enough: calls" },
    },
    {
      name: "a-transaction-for-each-call",
      file: "src/stores/sqlite/committer.ts",
      find: "results: this.file.commit(calls) };",
      replace: "results: calls.flatMap((call) => this.file.commit([call])) };",
      caughtBy: { file: COUNTS, test: "one transaction a post" },
    },
    {
      name: "a-row-for-each-id",
      file: "src/stores/sqlite/id-window.ts",
      find: "this.addedCount++;",
      replace: "this.addedCount++;\n    this.write();",
      caughtBy: STATEMENTS,
    },
    {
      name: "a-block-for-each-message",
      file: "src/stores/sqlite/gatherers.ts",
      find: "blocks: packBlocks(this.rows)",
      replace: "blocks: this.rows.flatMap((row) => packBlocks([row]))",
      caughtBy: STATEMENTS,
    },
    {
      name: "a-row-for-each-message",
      file: "src/stores/sqlite/gatherers.ts",
      find: "if (this.rows.length >= this.least) {",
      replace: "if (this.rows.length < this.least) {",
      caughtBy: STATEMENTS,
    },
    {
      name: "what-became-of-a-block-written-for-each-message",
      file: "src/stores/sqlite/blocks.ts",
      find: "    this.taken.push({ block, place });",
      replace: "    this.taken.push({ block, place });\n    this.stored.save(block);",
      caughtBy: STATEMENTS,
    },
  ],
};
