import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import Database from "better-sqlite3";
import { queueAddress, sizeOf, type Delivery, type NewMessage } from "../../src/queue/message";
import type { Store } from "../../src/queue/store";
import { BusyGroup } from "../../src/stores/ledger/busy-group";
import type { Change } from "../../src/stores/ledger/journal";
import { MemoryBudget } from "../../src/stores/ledger/memory-budget";
import { WaitingList } from "../../src/stores/ledger/waiting-list";
import { openStore } from "../../src/stores/open-store";
import { CALL_BYTES, unpackMessages, type Call, type Calls } from "../../src/stores/sqlite/calls";
import { SqliteFile } from "../../src/stores/sqlite/sqlite-file";
import { heapAfterCollection } from "../support/heap";
import { rulesWith } from "../support/rules";
import { packChanges, packRows } from "./packing";
import { storedMessage } from "./stored-message";

const NOW = 1_800_000_000_000;
/** Characters of a large payload. */
const LARGE = 2 ** 18;
const queue = queueAddress("/", "driver");
const ID_SETTINGS = { dedupWindowMs: 60_000, dedupMaxIds: 1_000 };
const SETTINGS = {
  ...ID_SETTINGS,
  historyMessages: 20,
  historyMs: 60_000,
  maxEndings: 1_000,
  maxQueues: 100,
  maxQueuesPerClient: 100,
};

describe("one call reads no more than a few large messages", () => {
  const SIZE = CALL_BYTES / 4;
  const COUNT = 10;
  const SEQS = Array.from({ length: COUNT }, (_, index) => index + 1);
  let file: SqliteFile;

  beforeEach(() => {
    file = SqliteFile.on(new Database(":memory:"), SETTINGS, { now: () => NOW, steady: () => 0 });
    carryOut("queue", { no: 1, address: queue, creator: "acme" });
  });

  afterEach(() => file.close());

  function carryOut<Kind extends keyof Calls>(kind: Kind, argument: Calls[Kind][0]): Calls[Kind][1] {
    return file.commit([{ kind, argument } as Call])[0] as Calls[Kind][1];
  }

  function append(dueAt: number | undefined): void {
    const payload = JSON.stringify("x".repeat(SIZE));
    const rows = SEQS.map((seq) => ({
      message: storedMessage(seq, { payload }),
      dueAt,
      isDueFixed: false,
      resident: false,
    }));
    carryOut("append", { rows: packRows(rows), copies: 0 });
  }

  function bury(): void {
    append(undefined);
    const changes = SEQS.map((seq): Change => {
      return { kind: "dead", row: storedMessage(seq), failures: 1, reason: "refused", error: "no", lastHolder: "d1" };
    });
    carryOut("change", { now: NOW, changes: packChanges(changes) });
  }

  const seqsOf = (messages: Calls["fetch"][1]["messages"]) =>
    unpackMessages(messages, () => queue).map(({ seq }) => seq);

  test("of those that are due, and says that there are more", () => {
    append(NOW);
    const seqs: number[] = [];
    for (let next: number | undefined = NOW; next !== undefined;) {
      const due: Calls["due"][1] = carryOut("due", { now: NOW, limit: 1_000 });
      expect(seqsOf(due.messages).length).toBeLessThanOrEqual(4);
      seqs.push(...seqsOf(due.messages));
      expect(due.next).toBe(seqs.length < COUNT ? NOW : undefined);
      ({ next } = due);
    }
    expect(seqs).toEqual(SEQS);
  });

  test("of those whose places are known, and says how many it looked for", () => {
    append(undefined);
    carryOut("change", {
      now: NOW,
      changes: packChanges([
        { kind: "end", row: storedMessage(2), ending: { id: "m2", how: "acked", attempt: 1, client: "d1" } },
      ]),
    });
    const first = carryOut("fetch", { seqs: SEQS, limitBytes: 2 * SIZE });
    expect({ ...first, messages: seqsOf(first.messages) }).toEqual({ read: 3, messages: [1, 3] });
    const alone = carryOut("fetch", { seqs: SEQS.slice(3), limitBytes: 1 });
    expect({ ...alone, messages: seqsOf(alone.messages) }).toEqual({ read: 1, messages: [4] });
  });

  test("of the dead letters that are shown, and that are put back", () => {
    bury();
    const shown = carryOut("deadLetters", { queueNo: 1, selection: {}, limit: 1_000, afterSeq: 0 });
    expect(shown.map(({ message }) => message.seq)).toEqual([1, 2, 3, 4]);
    const put = carryOut("redrive", { queueNo: 1, selection: {}, afterSeq: 0, limit: 1_000, spread: undefined });
    expect(seqsOf(put)).toEqual([1, 2, 3, 4]);
  });

  test("and none of their payloads where only their whereabouts are asked for", () => {
    append(undefined);
    const { messages } = carryOut("find", { id: "m7", queueNo: undefined, afterSeq: 0, limit: 1_000 });
    expect(unpackMessages(messages, () => queue)).toMatchObject([{ seq: 7, event: "pickup", payload: "" }]);
  });
});

describe("where the memory for what waits is spent", () => {
  const message = storedMessage(1, { payload: "x".repeat(1_000) });
  const SIZE = sizeOf(message);
  const at = (seq: number) => ({ ...message, seq });

  test("a list keeps its least in memory, and asks for more when it has less", () => {
    const budget = new MemoryBudget(8 * SIZE);
    const list = new WaitingList(budget, 3 * SIZE);
    for (let seq = 1; seq <= 7; seq++) list.insert(at(seq));
    list.shortenToLeast();
    expect([list.length, list.onDisk]).toEqual([7, 0]);
    for (let seq = 8; seq <= 10; seq++) list.insert(at(seq));
    list.shortenToLeast();
    expect([list.length, list.onDisk]).toEqual([3, 7]);

    const other = new WaitingList(budget, SIZE);
    for (let seq = 11; seq <= 16; seq++) other.insert(at(seq));
    expect(budget.isSpent).toBe(true);
    expect(list.wanted(1_000)).toEqual([]);
    list.shift();
    expect(list.wanted(1_000)).toHaveLength(7);
  });

  test("a busy group keeps next to nothing", () => {
    const budget = new MemoryBudget(SIZE);
    const group = new BusyGroup("g", 1, "m1", budget);
    for (let seq = 2; seq <= 60; seq++) group.park(at(seq));
    expect(group.waiting.length).toBeLessThanOrEqual(4);
    expect(group.waiting.length + group.waiting.onDisk).toBe(59);
  });
});

test("of messages that were read back and acked nothing stays in memory, though their ids are remembered", async () => {
  const { store, close } = await openInFolder();
  try {
    const ids = Array.from({ length: 100 }, (_, no) => `an-id-longer-than-a-few-characters-${no}`);
    await store.append(ids.map((id) => ({ ...largeMessage(id), group: `of-some-length-too-${id}` })));
    const before = heapAfterCollection();
    const requests = [{ holder: "s1", client: "d1", limit: 10, limitBytes: 2 ** 30 }];
    const read = new Hints(store);
    for (let acked = 0; acked < ids.length;) {
      const deliveries: readonly Delivery[] = await store.lease(queue, requests, NOW, 30_000);
      if (deliveries.length === 0) await read.next();
      const acks = deliveries.map(({ message: { id }, attempt, holder }) => {
        return { queue, id, attempt, holder, settlement: { action: "ack" } as const };
      });
      await store.settle(acks);
      acked += acks.length;
    }
    expect(heapAfterCollection() - before).toBeLessThan((ids.length * LARGE) / 10);
  } finally {
    await close();
  }
});

test("messages that are together larger than the memory for them become due, and go out, in order", async () => {
  const { store, close } = await openInFolder();
  try {
    const ids = Array.from({ length: 24 }, (_, no) => `m${no}`);
    await store.append(ids.map((id) => ({ ...largeMessage(id), dueAt: NOW })));
    await store.expire(NOW);
    expect(await store.stats(queue)).toMatchObject({ ready: 24, delayed: 0 });

    const given: string[] = [];
    const request = { holder: "s1", client: "d1", limit: 5, limitBytes: 2 ** 30 };
    const read = new Hints(store);
    while (given.length < ids.length) {
      const deliveries: readonly Delivery[] = await store.lease(queue, [request], NOW, 30_000);
      if (deliveries.length === 0) await read.next();
      given.push(...deliveries.map(({ message }) => message.id));
    }
    expect(given).toEqual(ids);
  } finally {
    await close();
  }
});

/** A store with memory for four large messages. */
async function openInFolder(): Promise<{ store: Store; close: () => Promise<void> }> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-large-"));
  const settings = { ...SETTINGS, maxQueues: 10, maxQueuesPerClient: 10, residentBytes: 2 ** 20, rules: rulesWith({}) };
  const store = await openStore(`sqlite:${path.join(folder, "w.db")}`, settings, (error) => {
    throw error;
  });
  const close = async (): Promise<void> => {
    await store.close();
    fs.rmSync(folder, { recursive: true, force: true });
  };
  return { store, close };
}

function largeMessage(id: string): NewMessage {
  const { priority, event, group, headers, publisher } = storedMessage(1);
  const payload = JSON.stringify("x".repeat(LARGE));
  const times = { publishedAt: NOW, dueAt: undefined, isDueFixed: false, expiresAt: undefined };
  return { target: queue, id, event, payload, priority, group, headers, publisher, ...times };
}

/** Waits for a store to say that there may be something ready: what it read, for one. */
class Hints {
  private waiting = false;
  private wake = (): void => {};

  constructor(store: Store) {
    store.onHint(() => {
      this.waiting = true;
      this.wake();
    });
  }

  /** The next one, or one that nobody has waited for yet. */
  async next(): Promise<void> {
    if (!this.waiting) await new Promise<void>((resolve) => (this.wake = resolve));
    this.waiting = false;
  }
}
