import type { BrokenPromise } from "../mutant";
import { ALONE, DISPATCHER, LEDGER, MEMORY, SQLITE } from "./suites";

export const ORDER: BrokenPromise = {
  promise: "Order",
  mutants: [
    {
      name: "priority-ignored",
      file: "src/stores/ledger/queue-state.ts",
      find: "for (const lane of this.lanes) {\n      const message",
      replace: "for (const lane of [...this.lanes].reverse()) {\n      const message",
      caughtBy: { file: MEMORY, test: "gives higher priorities first, and order within each" },
    },
    {
      name: "low-priority-starved",
      file: "src/stores/ledger/queue-state.ts",
      find: "if (this.passes >= MAX_PASSES) {",
      replace: "if (this.passes < 0) {",
      caughtBy: { file: MEMORY, test: "lets one of lower priority that is older go after" },
    },
    {
      name: "group-not-held",
      file: "src/stores/ledger/queue-state.ts",
      find: "if (message.group !== undefined) this.holdGroup(message.group, message);\n    return lease;",
      replace: "return lease;",
      caughtBy: { file: MEMORY, test: "have one message out at a time, in order" },
    },
    {
      name: "group-let-go-by-a-retry",
      file: "src/stores/ledger/queue-state.ts",
      find: "    if (delayed) this.delay(",
      replace: "    this.freeGroup(message);\n    if (delayed) this.delay(",
      caughtBy: { file: MEMORY, test: "keep their order through a delayed retry" },
    },
    {
      name: "group-let-go-by-a-restart",
      file: "src/stores/ledger/directory.ts",
      find: "for (const holder of groupHolders) this.queuesByNo.get(holder.queueNo)?.holdGroup(holder.group, holder);",
      replace: "",
      caughtBy: {
        file: SQLITE,
        test: "crashed and opened again holds a group for the one that is to be tried again",
      },
    },
    {
      name: "group-let-go-by-a-stop",
      file: "src/stores/sqlite/sqlite-file.ts",
      find: "this.changer.noteGroupHolders(call.argument.groupHolders);",
      replace: "",
      caughtBy: { file: SQLITE, test: "goes on in a group with the one that was out" },
    },
    {
      name: "group-never-let-go-by-an-end",
      file: "src/stores/ledger/queue-state.ts",
      find: "this.freeGroup(lease.message);",
      replace: "",
      caughtBy: { file: MEMORY, test: "have one message out at a time, in order" },
      hangs: "the group's next message never comes",
    },
    {
      name: "retry-behind-all-others",
      file: "src/stores/ledger/waiting-list.ts",
      find: "if (last === undefined || placeOf(last) < place) {",
      replace: "if (last === undefined || placeOf(last) !== place) {",
      caughtBy: { file: MEMORY, test: "a retry comes again, in its place" },
    },
    {
      name: "delayed-before-its-elders",
      file: "src/stores/ledger/lane.ts",
      find: "return this.cursor === undefined || seq <= this.cursor;",
      replace: "return true;",
      caughtBy: { file: LEDGER, test: "a delayed message is not lost behind history that waits on disk" },
    },
    {
      name: "consumers-not-dealt-to-in-turn",
      file: "src/queue/line.ts",
      find: "each.session.id === holder) + 1;",
      replace: "each.session.id === holder);",
      caughtBy: { file: DISPATCHER, test: "3 consumers of one queue begin in turn" },
    },
    {
      name: "list-overtakes-what-came-alone-before-it",
      file: "src/queue/publisher.ts",
      find: "// What came before goes before.\n    this.storeGathered();",
      replace: "",
      caughtBy: {
        file: ALONE,
        test: "what comes alone goes before what is received after it before a list",
      },
    },
    {
      name: "ack-overtakes-what-was-published-before-it",
      file: "src/queue/broker.ts",
      find: "it may have come of what is acked.\n    this.publisher.storeGathered(session);",
      replace: "",
      caughtBy: { file: ALONE, test: "before its client's ack, for which it may be the reason" },
    },
    {
      name: "alone-for-a-room-with-all-others",
      file: "src/queue/publisher.ts",
      find: "copies.some(isRoomAddress)) return",
      replace: "copies.some(isRoomAddress)) void",
      caughtBy: { file: ALONE, test: "a message for a room is stored apart" },
    },
    {
      name: "client-publishes-out-of-order-after-a-cut",
      file: "clients/hub-client/outbox.ts",
      find: "this.waiting.putBack(all.sort(byOrder));",
      replace: "this.waiting.putBack(all.reverse());",
      caughtBy: {
        file: "__tests__/clients/publish.test.ts",
        test: "sends what was not confirmed again, under the same ids, in order",
      },
    },
    {
      name: "client-lets-others-overtake-a-refused-publish",
      file: "clients/hub-client/outbox.ts",
      find: "if (entry.settled || this.holds.join(entry)) return true;",
      replace: "if (entry.settled) return true;",
      caughtBy: {
        file: "__tests__/clients/publish.test.ts",
        test: "is sent again under its id when the refusal is for now",
      },
    },
  ],
};
