import type { BrokenPromise } from "../mutant";
import { QUEUE_RULES } from "./suites";

const QUEUES_FILE = "__tests__/queues-file.test.ts";
const WHEREABOUTS = "__tests__/queue/whereabouts.test.ts";
const WHY = "__tests__/integration/why.test.ts";

export const OPERATING: BrokenPromise = {
  promise: "What the hub tells its operator is so",
  mutants: [
    {
      name: "why-says-acked-of-a-dead-letter",
      file: "src/transport/handlers/why.ts",
      find: "return { queue, state: trace.state, ...describeMessage(trace.message), ...death, stuck };",
      replace:
        "const { id, attempts: attempt } = trace.message;\n" +
        '      return { queue, state: "ended", id, how: "acked", at: death.diedAt, attempt, client: lastHolder };',
      caughtBy: { file: WHY, test: "why, in memory tells how it ended" },
    },
    {
      name: "why-says-acked-of-what-expired",
      file: "src/stores/sqlite/changer.ts",
      find: "this.endings.note(queueNo, ending, now);",
      replace: 'this.endings.note(queueNo, { ...ending, how: "acked" }, now);',
      caughtBy: { file: WHY, test: "why, on disk tells how it ended" },
    },
    {
      name: "why-does-not-see-who-holds-the-group",
      file: "src/stores/ledger/tracing.ts",
      find: "holder !== undefined && holder.seq !== message.seq",
      replace: "holder !== undefined && holder.seq === message.seq",
      caughtBy: { file: WHEREABOUTS, test: "is behind a message of its group that is out" },
    },
    {
      name: "endings-forgotten-by-a-restart",
      file: "src/stores/sqlite/sqlite-file.ts",
      find: "this.endings.write();",
      replace: "",
      caughtBy: { file: WHY, test: "what is known of a message survives a restart of the hub" },
    },
    {
      name: "bad-file-wipes-the-rules",
      file: "src/live-rules.ts",
      find: "const rules = readQueuesFile(this.settings);\n    const changes",
      replace: "this.book.replace([]);\n    const rules = readQueuesFile(this.settings);\n    const changes",
      caughtBy: { file: QUEUES_FILE, test: "changes nothing when it is not allowed" },
    },
    {
      name: "new-rules-not-in-force-for-queues-that-exist",
      file: "src/queue/queue-rules.ts",
      find: "    this.found = new Map();\n",
      replace: "",
      caughtBy: { file: QUEUE_RULES, test: "rules that change while the hub runs are in force" },
    },
    {
      name: "first-matching-rule-counts",
      file: "src/queue/queue-rules.ts",
      find: "rules = { ...rules, ...given };",
      replace: "rules = { ...rules, ...given, ...rules };",
      caughtBy: { file: QUEUES_FILE, test: "of the last match count, setting by setting" },
    },
    {
      name: "well-although-the-store-fails",
      file: "src/transport/http.ts",
      find: "send(response, 503,",
      replace: "send(response, 200,",
      caughtBy: { file: "__tests__/transport/hub.test.ts", test: "GET /healthz says why it is not" },
    },
  ],
};
