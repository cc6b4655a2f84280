/** A store's file with something of everything in it, copies of it to be damaged, and what is in them. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import Database from "better-sqlite3";
import { queueAddress, roomAddress, type NewMessage, type QueueAddress } from "../../src/queue/message";
import type { Store } from "../../src/queue/store";
import { readSettings } from "../../src/read-config";
import { BlockContents, BlockHeads } from "../../src/stores/sqlite/block";
import { StoredBlock } from "../../src/stores/sqlite/block-index";
import { readContent } from "../../src/stores/sqlite/content-check";
import { CommitMark } from "../../src/stores/sqlite/commit-mark";
import { openStore } from "../../src/stores/open-store";
import type { SalvageReport } from "../../src/stores/sqlite/salvage/salvage";
import { rulesWith } from "../support/rules";

const HOUR = 3_600_000;
const QUEUES = 8;
const MEMBERS = 12;
const PARTS = ["", "-wal", "-mark"];

/** What is kept of messages, dead letters and memberships, each under what it is known by. */
export interface Contents {
  readonly messages: ReadonlyMap<number, string>;
  readonly dead: ReadonlyMap<number, string>;
  readonly members: ReadonlySet<string>;
}

/** Folder with `closed.db`, of a store that was stopped in order, and `crashed.db`, of one that was not. */
export async function makeFiles(): Promise<string> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-damage-"));
  const file = path.join(folder, "closed.db");
  const settings = { ...readSettings({}), historyMessages: 60, rules: rulesWith() };
  const store = await openStore(`sqlite:${file}`, settings, () => {});
  const publish = publisherTo(store);
  for (let batch = 0; batch < 12; batch++) await publish(queueOf, 100);
  const room = roomAddress("/", "north");
  for (let member = 0; member < MEMBERS; member++) {
    await store.join(room, queueAddress("/", `@client-${member}`), undefined, `client-${member}`);
  }
  for (let batch = 0; batch < 3; batch++) await publish(() => room, 30);
  for (let queue = 0; queue < QUEUES / 2; queue++) await settleSome(store, queueOf(queue));
  for (let batch = 0; batch < 20; batch++) await publish(queueOf, 3);
  await markIsCurrent(file);
  copyStore(file, path.join(folder, "crashed.db"));
  await store.close();
  return folder;
}

/** Until the mark beside an open store knows of all that was confirmed. */
async function markIsCurrent(file: string): Promise<void> {
  // The store has its file to itself.
  const copy = `${file}-copy`;
  copyStore(file, copy);
  const database = new Database(copy);
  const commits = database.prepare("SELECT value FROM meta WHERE key = 'commits'").pluck().get();
  database.close();
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (CommitMark.read(file) !== commits) return;
      watcher.close();
      resolve();
    };
    const watcher = fs.watch(path.dirname(file), look);
    look();
  });
}

export function copyStore(from: string, to: string): void {
  for (const part of PARTS) {
    fs.rmSync(to + part, { force: true });
    if (fs.existsSync(from + part)) fs.copyFileSync(from + part, to + part);
  }
}

export function flipBit(file: string, byte: number, bit: number): void {
  const bytes = fs.readFileSync(file);
  bytes[byte] = (bytes[byte] ?? 0) ^ (1 << bit);
  fs.writeFileSync(file, bytes);
}

/** Throws where SQLite finds the file to be none. */
export function contentsOf(file: string): Contents {
  const database = new Database(file, { readonly: true });
  const rows = (sql: string): unknown[][] => database.prepare(sql).raw().all() as unknown[][];
  const byNumber = (found: unknown[][]): Map<number, string> =>
    new Map(found.map((row) => [Number(row[0]), JSON.stringify(row)]));
  try {
    return {
      messages: byNumber([
        ...messagesInBlocks(database),
        ...rows(`SELECT m.seq, q.address, m.priority, m.due_at, m.expires_at, coalesce(m.id, b.id), coalesce(m.event, b.event),
                coalesce(m.payload, b.payload), coalesce(m.grp, b.grp), coalesce(m.publisher, b.publisher)
              FROM messages m LEFT JOIN bodies b ON b.seq = m.body AND m.body <> 0 LEFT JOIN queues q ON q.no = m.queue`),
      ]),
      dead: byNumber(
        rows(
          `SELECT d.seq, q.address, d.id, d.event, d.payload, d.grp FROM dead d LEFT JOIN queues q ON q.no = d.queue`,
        ),
      ),
      members: new Set(
        rows(`SELECT r.address, i.address FROM members m LEFT JOIN queues r ON r.no = m.room
              LEFT JOIN queues i ON i.no = m.inbox`).map((row) => row.join(" ")),
      ),
    };
  } finally {
    database.close();
  }
}

/** Of messages that share rows the same as of those that have one, but for those that are gone. */
function messagesInBlocks(database: Database.Database): unknown[][] {
  const address = database.prepare("SELECT address FROM queues WHERE no = ?").pluck();
  const text = database.prepare("SELECT text FROM block_runs WHERE first_seq = ?").pluck();
  const rows = database.prepare(
    "SELECT b.first_seq, b.heads, s.gone FROM blocks b LEFT JOIN block_states s USING (first_seq)",
  );
  return (rows.raw().all() as [number, Buffer, Buffer | null][]).flatMap(([firstSeq, cells, gone]) => {
    const heads = BlockHeads.of(firstSeq, cells);
    const contents = new BlockContents(heads, (runSeq) => String(text.get(runSeq)));
    const block = new StoredBlock(firstSeq, heads.count, heads.length);
    if (gone) block.removeAll(gone);
    return [...block.places()].map((place) => {
      const { id, event, payload, group, publisher } = readContent(contents.content(place));
      const queue = address.get(heads.queueNo(place)) ?? null;
      return [firstSeq + place, queue, heads.priority(place), null, null, id, event, payload, group, publisher];
    });
  });
}

/** What can be served from a file: what its index leads to, in its order. Throws where SQLite does. */
export function servedFrom(file: string): unknown {
  const database = new Database(file, { readonly: true });
  const rows = (sql: string): unknown[] => database.prepare(sql).raw().all();
  try {
    return [
      rows(
        "SELECT queue, priority, seq, bytes FROM messages INDEXED BY messages_ready WHERE due_at IS NULL ORDER BY 1, 2, 3",
      ),
      rows("SELECT due_at, seq FROM messages INDEXED BY messages_due WHERE due_at IS NOT NULL ORDER BY 1, 2"),
      rows(
        "SELECT expires_at, seq FROM messages INDEXED BY messages_expiring WHERE expires_at IS NOT NULL ORDER BY 1, 2",
      ),
      messagesInBlocks(database),
      rows("SELECT queue, seq FROM dead INDEXED BY dead_queue ORDER BY 1, 2"),
      rows("SELECT room, seq FROM bodies INDEXED BY bodies_history WHERE kept = 1 ORDER BY 1, 2"),
      rows("SELECT no, address FROM queues ORDER BY 1"),
    ];
  } finally {
    database.close();
  }
}

/** Rows of `before` that a salvage neither saved as they were nor told of. */
export function unaccounted(before: Contents, after: Contents, { losses, missing }: SalvageReport): string[] {
  if (missing !== undefined || losses.renamed.length > 0) return [];
  const isTold = (table: "messages" | "dead", seq: number): boolean => {
    const known = table === "dead" ? losses.deadLetters : losses.messages;
    const unreadable = losses.unreadable.get(table) ?? [];
    return [...known.values(), ...losses.doubtful.values(), unreadable].some((ranges) =>
      ranges.some(({ from, to }) => seq >= from && seq <= to),
    );
  };
  const unlike = (table: "messages" | "dead"): string[] =>
    [...before[table]]
      .filter(([seq, row]) => after[table].get(seq) !== row && !isTold(table, seq))
      .map(([seq]) => `${table} ${seq}`);
  const members = losses.unreadable.has("members")
    ? []
    : [...before.members].filter((each) => !after.members.has(each));
  return [...unlike("messages"), ...unlike("dead"), ...members];
}

/** Messages that a salvage saved though they were no longer there, and did not say that they may not have been. */
export function broughtBack(before: Contents, after: Contents, { losses }: SalvageReport): number[] {
  const doubtful = [...losses.doubtful.values()].flat();
  return [...after.messages.keys()].filter(
    (seq) => !before.messages.has(seq) && !doubtful.some(({ from, to }) => seq >= from && seq <= to),
  );
}

/** Pages of a file by what they are of and what kind they are. */
export function pagesByKind(file: string): number[][] {
  const database = new Database(file, { readonly: true });
  const owned = database.prepare("SELECT name || pagetype AS kind, pageno FROM dbstat").all() as {
    kind: string;
    pageno: number;
  }[];
  const count = Number(database.pragma("page_count", { simple: true }));
  database.close();
  const kinds = new Map<string, number[]>();
  const owner = new Map(owned.map(({ kind, pageno }) => [pageno, kind]));
  for (let page = 1; page <= count; page++) {
    const kind = owner.get(page) ?? "free";
    kinds.set(kind, [...(kinds.get(kind) ?? []), page]);
  }
  return [...kinds.values()];
}

function queueOf(number: number): QueueAddress {
  return queueAddress("/", `queue-${number % QUEUES}`);
}

function publisherTo(store: Store): (target: (number: number) => NewMessage["target"], count: number) => Promise<void> {
  let number = 0;
  const message = (target: NewMessage["target"]): NewMessage => {
    const now = Date.now();
    return {
      target,
      id: `order-${number}`,
      event: "pickup",
      payload: JSON.stringify({ number, note: "x".repeat(number % 97 === 0 ? 9_000 : 150) }),
      priority: number % 11 === 0 ? 7 : 4,
      group: number % 5 === 0 ? `customer-${number % 3}` : undefined,
      headers: number % 6 === 0 ? "{}" : undefined,
      publisher: "shop",
      publishedAt: now,
      dueAt: number % 13 === 0 ? now + HOUR : undefined,
      isDueFixed: false,
      expiresAt: number % 17 === 0 ? now + 2 * HOUR : undefined,
    };
  };
  return async (target, count) => {
    await store.append(Array.from({ length: count }, () => message(target(++number))));
  };
}

/** Acks most of what a queue gives, and buries some. */
async function settleSome(store: Store, queue: QueueAddress): Promise<void> {
  const request = { holder: "session", client: "driver", limit: 60, limitBytes: 2 ** 30 };
  const deliveries = await store.lease(queue, [request], Date.now(), 30_000);
  await store.settle(
    deliveries.map(({ message, attempt }, index) => ({
      queue,
      id: message.id,
      attempt,
      holder: "session",
      settlement: index % 5 === 0 ? { action: "dead", reason: "refused", error: "no such street" } : { action: "ack" },
    })),
  );
}
