/** What a start forgets once there are many queues: those that hold nothing. */
import Database from "better-sqlite3";
import { queueAddress, roomAddress, type QueueAddress } from "../../src/queue/message";
import type { Store } from "../../src/queue/store";
import { readSettings } from "../../src/read-config";
import { openStore } from "../../src/stores/open-store";
import { examine } from "../../src/stores/sqlite/examination";
import { message, numbered } from "../conformance/store-in-suite";
import { rulesWith } from "../support/rules";
import { sqliteFile, stopHubs } from "../support/start-hub";

const HOUR_MS = 3_600_000;
let url: string;
let store: Store;

beforeEach(() => {
  url = sqliteFile();
});
afterEach(stopHubs);

async function open(limits: { maxQueues?: number; maxQueuesPerClient?: number } = {}): Promise<void> {
  const settings = { ...readSettings({}), maxQueues: 8, maxQueuesPerClient: 100, ...limits };
  store = await openStore(url, { ...settings, rules: rulesWith() }, () => {});
}

/** Stops it for longer than any id is remembered. */
async function reopenMuchLater(limits?: Parameters<typeof open>[0]): Promise<void> {
  await store.close();
  const database = new Database(url.slice("sqlite:".length));
  database.exec("DELETE FROM ids_0; DELETE FROM ids_1");
  database.close();
  await open(limits);
}

const at = (name: string): QueueAddress => queueAddress("/", name);

async function publish(...names: string[]): Promise<string[]> {
  const messages = names.map((name) => message(`to-${name}-${Math.random()}`, { target: at(name), publisher: "acme" }));
  const results = await store.append(messages);
  return results.map((result) => ("status" in result ? result.status : result.error.message));
}

async function settleOne(name: string, action: "ack" | "dead"): Promise<void> {
  const request = { holder: "session", client: "driver", limit: 1, limitBytes: Infinity };
  const [delivery] = await store.lease(at(name), [request], Date.now(), 30_000);
  if (delivery === undefined) throw new Error(`nothing in ${name}`);
  const { id } = delivery.message;
  const settlement = action === "ack" ? { action } : { action, reason: "refused" as const, error: "no such street" };
  await store.settle([{ queue: at(name), id, attempt: delivery.attempt, holder: "session", settlement }]);
}

const names = (): string[] => {
  const database = new Database(url.slice("sqlite:".length), { readonly: true });
  const found = database.prepare("SELECT address FROM queues ORDER BY no").pluck().all() as string[];
  database.close();
  return found;
};

test("a full hub has room again after a start, and what is published then is told from what was before", async () => {
  await open();
  const eight = Array.from({ length: 8 }, (_, index) => `q${index}`);
  expect(await publish(...eight)).toEqual(eight.map(() => "stored"));
  for (const name of eight) await settleOne(name, "ack");
  expect(await publish("new")).toEqual([
    "There are 8 queues and rooms, as many as there may be. Those that hold nothing are forgotten at the hub's next start.",
  ]);
  await reopenMuchLater();
  expect(await publish("new", "q0")).toEqual(["stored", "stored"]);
  expect(await store.stats(at("q0"))).toMatchObject({ ready: 1 });
  await store.close();
  // The newest keeps its number, so that none is given twice.
  expect(names()).toEqual(["/:q7", "/:new", "/:q0"]);
  expect(examine(url.slice("sqlite:".length)).faults).toEqual([]);
});

test("whatever holds something stays", async () => {
  await open({ maxQueues: 30 });
  const north = roomAddress("/", "north");
  await publish("ready", "dead", "idle", "idle-too");
  await store.append(numbered(1, { target: at("delayed"), dueAt: Date.now() + HOUR_MS }));
  await store.append(numbered(1, { target: at("expiring"), expiresAt: Date.now() - 1 }));
  await store.expire(Date.now());
  await store.join(north, at("@ada"), undefined, "ada");
  await store.append([message("kept", { target: roomAddress("/", "south"), publisher: "acme" })]);
  await settleOne("dead", "dead");
  for (const name of ["idle", "idle-too"]) await settleOne(name, "ack");
  await publish("newest");
  expect(await store.stats(at("expiring"))).toMatchObject({ ready: 0, expired: 1 });
  await reopenMuchLater({ maxQueues: 30 });
  await store.close();
  expect(names()).toContain("/:idle");
  await open({ maxQueues: 20 });
  expect(await store.stats(at("expiring"))).toMatchObject({ expired: 1 });
  await store.close();
  const left = ["/:ready", "/:dead", "/:delayed", "/:expiring", "/:room:north", "/:@ada", "/:room:south", "/:newest"];
  expect(names()).toEqual(left);
});

test("one whose ids are remembered stays: what is sent again is told so", async () => {
  await open();
  await store.append([message("a", { target: at("q0") }), ...numbered(6, { target: at("q1") })]);
  await publish("q2", "q3", "q4");
  for (const name of ["q0", "q2", "q3", "q4"]) await settleOne(name, "ack");
  await store.close();
  await open();
  expect(await store.append([message("a", { target: at("q0") })])).toMatchObject([{ status: "duplicate" }]);
  await store.close();
});

test("so has a client that has made as many as it may", async () => {
  await open({ maxQueues: 1_000, maxQueuesPerClient: 4 });
  await publish("q0", "q1", "q2", "q3");
  for (const name of ["q0", "q1", "q2", "q3"]) await settleOne(name, "ack");
  expect(await publish("q4")).toEqual([
    "acme has made 4 queues and rooms, as many as it may. Those that hold nothing are forgotten at the hub's next start.",
  ]);
  await reopenMuchLater({ maxQueues: 1_000, maxQueuesPerClient: 4 });
  expect(await publish("q4", "q5", "q6")).toEqual(["stored", "stored", "stored"]);
  await store.close();
});
