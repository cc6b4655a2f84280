import type { BrokenPromise } from "../mutant";
import { LEDGER, MEMORY, SQLITE } from "./suites";

const ROOM_LINE = "__tests__/stores/large-rooms.test.ts";
const SEAM = "replay their history without gap or double at the seam";

export const ROOMS: BrokenPromise = {
  promise: "A room misses nobody",
  mutants: [
    {
      name: "copy-missed-for-one-member",
      file: "src/stores/ledger/room-state.ts",
      find: "listOf([...this.members.keys()])",
      replace: "listOf([...this.members.keys()].slice(0, Math.max(1, this.size - 1)))",
      caughtBy: { file: MEMORY, test: "fan a message out to every member's inbox" },
      hangs: "the copy never comes",
    },
    {
      name: "newcomer-missed-by-the-list-of-members",
      file: "src/stores/ledger/room-state.ts",
      find: "this.members.set(inbox, member);\n    this.listed = undefined;",
      replace: "this.members.set(inbox, member);",
      caughtBy: { file: ROOM_LINE, test: "who joins while a batch is taken in" },
    },
    {
      name: "overtakes-a-batch-that-is-taken-in",
      file: "src/stores/ledger/intake.ts",
      find: "this.line.push(batch);",
      replace: "this.line.unshift(batch);",
      caughtBy: { file: ROOM_LINE, test: "what comes meanwhile goes behind it" },
    },
    {
      name: "membership-forgotten-by-a-restart",
      file: "src/stores/ledger/directory.ts",
      find: "if (inbox) roomsByNo.get(roomNo)?.restore(inbox);",
      replace: "",
      caughtBy: { file: SQLITE, test: "crashed and opened again remembers ids" },
      hangs: "the room's next message never comes",
    },
    {
      name: "membership-not-written",
      file: "src/stores/sqlite/room-rows.ts",
      find: "this.deleteMember.run(roomNo, inboxNo);",
      replace: "",
      caughtBy: { file: SQLITE, test: "crashed and opened again gives nothing to who had left" },
    },
    {
      name: "history-with-a-gap-at-the-seam",
      file: "src/stores/sqlite/room-rows.ts",
      find: "this.insertMember.run(roomNo, inboxNo, lastSeq + 1);",
      replace: "this.insertMember.run(roomNo, inboxNo, lastSeq);",
      caughtBy: { file: SQLITE, test: SEAM },
    },
    {
      name: "history-double-at-the-seam",
      file: "src/stores/sqlite/room-rows.ts",
      find: "AND seq > ? AND seq < ? AND seq >= ?",
      replace: "AND seq > ? AND seq <= ? AND seq >= ?",
      caughtBy: { file: SQLITE, test: SEAM },
    },
    {
      name: "history-with-a-gap-at-the-seam-in-memory",
      file: "src/stores/room-history.ts",
      find: "message.seq < coveredFrom)",
      replace: "message.seq < coveredFrom - 1)",
      caughtBy: { file: MEMORY, test: SEAM },
    },
    {
      name: "history-double-at-the-seam-in-memory",
      file: "src/stores/room-history.ts",
      find: "message.seq < coveredFrom)",
      replace: "message.seq <= coveredFrom)",
      caughtBy: { file: MEMORY, test: SEAM },
    },
    {
      name: "gap-in-history-not-told",
      file: "src/stores/sqlite/room-rows.ts",
      find: 'since !== "all" && "afterSeq" in since && since.afterSeq < lost',
      replace: 'since !== "all" && "afterSeq" in since && since.afterSeq < 0',
      caughtBy: { file: SQLITE, test: "say what history no longer holds" },
    },
    {
      name: "gap-in-history-not-told-in-memory",
      file: "src/stores/room-history.ts",
      find: "this.trimmedTo = message.seq;",
      replace: "void message;",
      caughtBy: { file: MEMORY, test: "say what history no longer holds" },
    },
    {
      name: "history-put-in-a-full-inbox",
      file: "src/stores/ledger/ledger-store.ts",
      find: "if (since !== undefined) this.intake.refuseWhenFull(inbox);",
      replace: "",
      caughtBy: { file: LEDGER, test: "brings no history to an inbox that is full" },
    },
    {
      name: "membership-of-a-failed-join",
      file: "src/stores/ledger/ledger-store.ts",
      find: "joining.end(false);",
      replace: "joining.end(true);",
      caughtBy: { file: LEDGER, test: "a join that fails makes no member" },
    },
    {
      name: "member-until-its-leave-is-stored",
      file: "src/stores/ledger/ledger-store.ts",
      find: "room.remove(inbox);",
      replace: "await Promise.resolve().then(() => room.remove(inbox));",
      caughtBy: { file: MEMORY, test: "to nobody who has asked to, and once to who is back" },
    },
    {
      name: "leave-of-a-failed-commit-forgotten",
      file: "src/stores/sqlite/standing-calls.ts",
      find: 'return call.kind === "queue" || call.kind === "leave";',
      replace: 'return call.kind === "queue";',
      caughtBy: { file: "__tests__/stores/refused-commits.test.ts", test: "one that was to end is over" },
    },
    {
      name: "history-that-a-failed-join-gave-replayed",
      file: "src/stores/ledger/room-state.ts",
      find: "if (member.given.length > 0) this.strays.set(inbox, member.given);",
      replace: "",
      caughtBy: {
        file: "__tests__/stores/refused-commits.test.ts",
        test: "what an inbox was given by a join that was refused is not replayed to it",
      },
    },
  ],
};
