/** Files that an older Waybill wrote, and that were damaged before this one could bring them up to its version. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import Database from "better-sqlite3";
import { queueAddress, roomAddress, sizeOf } from "../../src/queue/message";
import { readSettings } from "../../src/read-config";
import { openStore } from "../../src/stores/open-store";
import { contentCheck } from "../../src/stores/sqlite/content-check";
import { examine } from "../../src/stores/sqlite/examination";
import { salvage } from "../../src/stores/sqlite/salvage/salvage";
import { migrate, SCHEMA_VERSION } from "../../src/stores/sqlite/schema";
import { message } from "../conformance/store-in-suite";
import { rulesWith } from "../support/rules";

const VERSIONS = Array.from({ length: SCHEMA_VERSION }, (_, at) => at + 1);
const DRIVER = queueAddress("/", "driver");
const INBOX = queueAddress("/", "@ada");
const ROOM = roomAddress("/", "north");

let folder = "";
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-older-"));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const inFolder = (name: string): string => path.join(folder, name);

/** A file of a version, with one of everything in it that this version knows. */
function makeFile(version: number): string {
  const file = inFolder(`version-${version}.db`);
  const database = new Database(file);
  // Brought up from the first version, as files are that have been in use for long.
  migrate(database, 1);
  const run = (sql: string, values: object = {}): void => void database.prepare(sql).run(values);
  run(`INSERT INTO queues (no, address, creator) VALUES (1, '${DRIVER}', ''), (2, '${INBOX}', ''), (3, '${ROOM}', '')`);
  run(
    `INSERT INTO messages (seq, queue, priority, bytes, body, attempts, failures, id, event, payload, grp, headers, publisher, published_at, content_check)
     VALUES (11, 1, :priority, :bytes, 0, 0, 0, :id, :event, :payload, :group, :headers, :publisher, :publishedAt, :check)`,
    stored("waiting"),
  );
  run(
    `INSERT INTO dead (seq, queue, priority, body, attempts, failures, id, event, payload, grp, headers, publisher, published_at, content_check, reason, died_at)
     VALUES (12, 1, :priority, 0, 1, 1, :id, :event, :payload, :group, :headers, :publisher, :publishedAt, :check, 'refused', 1)`,
    stored("dead"),
  );
  run(
    `INSERT INTO bodies (seq, room, kept, refs, priority, bytes, id, event, payload, grp, headers, publisher, published_at, content_check)
     VALUES (13, 3, 1, 1, :priority, :bytes, :id, :event, :payload, :group, :headers, :publisher, :publishedAt, :check)`,
    stored("told"),
  );
  run(
    `INSERT INTO messages (seq, queue, priority, bytes, body, attempts, failures) VALUES (14, 2, :priority, :bytes, 13, 0, 0)`,
    stored("told"),
  );
  run("INSERT INTO members (room, inbox, covered_from) VALUES (3, 2, 1)");
  run("INSERT INTO ids_0 (queue, id, seq) VALUES (1, 'waiting', 11), (1, 'dead', 12)");
  run("INSERT INTO ids_1 (queue, id, seq) VALUES (3, 'told', 13)");
  run(
    "UPDATE meta SET value = CASE key WHEN 'last_seq' THEN 14 WHEN 'ids_since' THEN :now ELSE value END WHERE key IN ('last_seq', 'ids_since')",
    {
      now: Date.now(),
    },
  );
  migrate(database, version);
  database.close();
  return file;
}

/** What a row says of a message with this id. */
function stored(id: string): object {
  const content = { priority: 4, id, event: "pickup", payload: '"x"', group: null, headers: null, publisher: "acme" };
  const publishedAt = Date.now();
  const bytes = sizeOf({ ...content, headers: undefined });
  return { ...content, publishedAt, bytes, check: contentCheck({ ...content, publishedAt }) };
}

test.each(VERSIONS)("all that is whole of a file of version %d is saved, and can be used", async (version) => {
  const file = makeFile(version);
  expect(examine(file)).toEqual({ faults: [], isComplete: true });
  const { saved, faults, losses } = salvage(file, inFolder("saved.db"));

  expect(faults).toEqual([]);
  expect([...losses.messages, ...losses.deadLetters, ...losses.unreadable, ...losses.doubtful]).toEqual([]);
  expect(Object.fromEntries(saved)).toEqual({ messages: 2, dead: 1, queues: 3, members: 1, bodies: 1, ids: 3 });
  expect(examine(inFolder("saved.db"))).toEqual({ faults: [], isComplete: true });

  const settings = { ...readSettings({}), rules: rulesWith() };
  const store = await openStore(`sqlite:${inFolder("saved.db")}`, settings, () => {});
  expect(await store.stats(DRIVER)).toMatchObject({ ready: 1, dead: 1 });
  expect(await store.stats(INBOX)).toMatchObject({ ready: 1 });
  expect(await store.append([message("waiting", { target: DRIVER })])).toEqual([{ status: "duplicate", seq: 11 }]);
  await store.close();
});

test.each(VERSIONS)("where a message of a file of version %d is damaged, the others are saved", (version) => {
  const file = makeFile(version);
  const bytes = fs.readFileSync(file);
  const at = bytes.indexOf("waitingpickup");
  bytes.write("W", at, "latin1");
  fs.writeFileSync(file, bytes);
  expect(examine(file).faults).not.toEqual([]);

  const { saved, losses } = salvage(file, inFolder("saved.db"));
  expect(losses.messages).toEqual(new Map([[DRIVER, [{ from: 11, to: 11 }]]]));
  expect(Object.fromEntries(saved)).toEqual({ messages: 1, dead: 1, queues: 3, members: 1, bodies: 1, ids: 3 });
  expect(examine(inFolder("saved.db")).faults).toEqual([]);
});
