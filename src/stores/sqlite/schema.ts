import type { Database } from "better-sqlite3";

/** Marks the file as Waybill's: "WYBL". */
export const APPLICATION_ID = 0x5759424c;

/**
 * Each step takes the file from its version to the next. Steps are never edited once released: a file of any age walks
 * through those it lacks.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  -- commits: how many there were. open: 1 from a start until the stop in order.
  INSERT INTO meta VALUES ('last_seq', 0), ('ids_since', 0), ('ids_young', 0), ('probe', 0), ('commits', 0), ('open', 0);

  -- Queues and rooms, under the number that the other tables know them by.
  CREATE TABLE queues (
    no INTEGER PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    creator TEXT NOT NULL,
    expired INTEGER NOT NULL DEFAULT 0,
    purged INTEGER NOT NULL DEFAULT 0,
    trimmed_to INTEGER NOT NULL DEFAULT 0
  );

  -- due_at: delayed until then; due_fixed: which is a time of day that a step of the clock does not move. bytes: what it
  -- costs in memory, and what its queue's limit counts. error: why its last delivery failed. body: the room's message that
  -- holds event, payload and so on. room: its address, for one that came back from the dead letters and so holds its own
  -- content. content_check: CRC-32 of the content.
  CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    due_at INTEGER,
    due_fixed INTEGER,
    expires_at INTEGER,
    body INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    id TEXT,
    event TEXT,
    payload TEXT,
    grp TEXT,
    headers TEXT,
    publisher TEXT,
    published_at INTEGER,
    room TEXT,
    error TEXT,
    content_check INTEGER
  );
  -- With what is counted at the start, so that no message need be read for it.
  CREATE INDEX messages_ready ON messages (queue, priority, seq, bytes) WHERE due_at IS NULL;
  CREATE INDEX messages_due ON messages (due_at, seq, queue, bytes) WHERE due_at IS NOT NULL;
  CREATE INDEX messages_expiring ON messages (expires_at) WHERE expires_at IS NOT NULL;

  -- Up to which seq a lane's messages may have been leased: after a crash, an attempt is counted for each of them.
  CREATE TABLE leased_upto (
    queue INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (queue, priority)
  ) WITHOUT ROWID;

  -- The ids of the dedup window, in two generations: forgetting one is emptying a table.
  CREATE TABLE ids_0 (queue INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (queue, id)) WITHOUT ROWID;
  CREATE TABLE ids_1 (queue INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (queue, id)) WITHOUT ROWID;

  CREATE TABLE dead (
    seq INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    expires_at INTEGER,
    body INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    id TEXT NOT NULL,
    event TEXT NOT NULL,
    payload TEXT NOT NULL,
    grp TEXT,
    headers TEXT,
    publisher TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    room TEXT,
    error TEXT,
    content_check INTEGER NOT NULL,
    reason TEXT NOT NULL,
    last_holder TEXT,
    died_at INTEGER NOT NULL
  );
  CREATE INDEX dead_queue ON dead (queue, seq);

  -- A room's messages: content once, for its history and for the members' inboxes. refs: how many of those still need it.
  CREATE TABLE bodies (
    seq INTEGER PRIMARY KEY,
    room INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    refs INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    due_at INTEGER,
    due_fixed INTEGER,
    expires_at INTEGER,
    id TEXT NOT NULL,
    event TEXT NOT NULL,
    payload TEXT NOT NULL,
    grp TEXT,
    headers TEXT,
    publisher TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    content_check INTEGER NOT NULL
  );
  CREATE INDEX bodies_history ON bodies (room, seq) WHERE kept = 1;

  -- covered_from: the seq from which on the member was given everything.
  CREATE TABLE members (
    room INTEGER NOT NULL,
    inbox INTEGER NOT NULL,
    covered_from INTEGER NOT NULL,
    PRIMARY KEY (room, inbox)
  ) WITHOUT ROWID;
  -- All of it once more: a membership has no checksum, and damage to one of the two shows.
  CREATE INDEX members_of ON members (inbox, room, covered_from);

  -- How messages ended, one row for all that ended in a commit: lines of queue, id, how, attempt and client.
  CREATE TABLE endings (
    no INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    lines TEXT NOT NULL
  );
  `,
  `
  -- Past the number that is kept, those that died first go.
  CREATE INDEX dead_age ON dead (queue, died_at);
  `,
  `
  -- By id first: those of a publisher that counts them up are neighbours, in however many queues.
  CREATE TABLE ids_0_by_id (id TEXT NOT NULL, queue INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (id, queue)) WITHOUT ROWID;
  INSERT INTO ids_0_by_id SELECT id, queue, seq FROM ids_0 ORDER BY id, queue;
  DROP TABLE ids_0;
  ALTER TABLE ids_0_by_id RENAME TO ids_0;
  CREATE TABLE ids_1_by_id (id TEXT NOT NULL, queue INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (id, queue)) WITHOUT ROWID;
  INSERT INTO ids_1_by_id SELECT id, queue, seq FROM ids_1 ORDER BY id, queue;
  DROP TABLE ids_1;
  ALTER TABLE ids_1_by_id RENAME TO ids_1;
  `,
  `
  -- Many ids a row: lines of queue, id and seq, each after its line break.
  CREATE TABLE ids_0_by_row (no INTEGER PRIMARY KEY, lines TEXT NOT NULL);
  ${rowsOfIds("ids_0")}
  DROP TABLE ids_0;
  ALTER TABLE ids_0_by_row RENAME TO ids_0;
  CREATE TABLE ids_1_by_row (no INTEGER PRIMARY KEY, lines TEXT NOT NULL);
  ${rowsOfIds("ids_1")}
  DROP TABLE ids_1;
  ALTER TABLE ids_1_by_row RENAME TO ids_1;

  -- Messages that came together, with seqs from first_seq on: block.ts has the form. heads: 16 bytes of each. Their contents,
  -- one after the other, are in runs of about a page, each under the seq that it begins with. The checks are CRC-32.
  CREATE TABLE blocks (first_seq INTEGER PRIMARY KEY, heads BLOB NOT NULL, heads_check INTEGER NOT NULL);
  CREATE TABLE block_runs (first_seq INTEGER PRIMARY KEY, text TEXT NOT NULL, text_check INTEGER NOT NULL);
  -- What has become of them since. gone: a bit of each. attempts: 4 bytes of each, where one may have been given out.
  CREATE TABLE block_states (first_seq INTEGER PRIMARY KEY, gone BLOB NOT NULL, attempts BLOB, state_check INTEGER NOT NULL);
  -- From this seq on, what was in memory as it was stored may have been given out.
  INSERT OR IGNORE INTO meta VALUES ('resident_from', 0);
  `,
  `
  -- Messages that go before all others of their group, since the stop in order until the start: they were out, for example.
  CREATE TABLE group_holders (seq INTEGER PRIMARY KEY);
  `,
];

/** A hundred ids of a table with a row each to a row of the one that takes its place. */
function rowsOfIds(table: string): string {
  return `INSERT INTO ${table}_by_row
    SELECT row, group_concat(line, '') FROM (
      SELECT (row_number() OVER (ORDER BY seq, queue) + 99) / 100 AS row, char(10) || queue || char(9) || id || char(9) || seq AS line FROM ${table}
    ) GROUP BY row;`;
}

/** The version that this Waybill writes. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings the file to this version's schema, or to an older one's, in one transaction.
 *
 * @throws Error when the file is not Waybill's, or from a newer version.
 */
export function migrate(database: Database, toVersion = SCHEMA_VERSION): void {
  const version = Number(database.pragma("user_version", { simple: true }));
  const applicationId = Number(database.pragma("application_id", { simple: true }));
  const isEmpty = database.prepare("SELECT count(*) AS count FROM sqlite_master").pluck().get() === 0;
  if (!isEmpty && applicationId !== APPLICATION_ID) throw new Error("it is a database of another program");
  if (version > SCHEMA_VERSION) {
    throw new Error(
      `its schema is version ${version}, this Waybill knows versions up to ${SCHEMA_VERSION}: use a newer Waybill`,
    );
  }
  database.transaction(() => {
    for (const step of MIGRATIONS.slice(version, toVersion)) database.exec(step);
    database.pragma(`application_id = ${APPLICATION_ID}`);
    database.pragma(`user_version = ${toVersion}`);
  })();
}
