import { readFileSync } from "node:fs";
import path from "node:path";
import { SETTINGS } from "../../src/config";
import {
  MAX_EVENT_LENGTH,
  MAX_GROUP_LENGTH,
  MAX_HEADER_LENGTH,
  MAX_HEADERS,
  MAX_ID_LENGTH,
  MAX_REASON_LENGTH,
} from "../../src/protocol/fields";
import { MAX_NAME_LENGTH } from "../../src/protocol/names";
import { MAX_EXTENSION_MS, MAX_REDRIVES_PER_SECOND, MIN_EXTENSION_MS } from "../../src/protocol/requests";
import { DEAD_REASONS, MAX_DELAY_MS } from "../../src/protocol/wire";
import { HANDLERS } from "../../src/transport/handlers";

const PAGE = readFileSync(path.join(__dirname, "../../docs/protocol.md"), "utf8");
const MIB = 2 ** 20;
const DAY_MS = 24 * 60 * 60 * 1000;

test("each request that the hub answers has its section under what clients ask, and no other has one", () => {
  expect(headingsUnder("## 6. What clients ask")).toEqual([...HANDLERS.keys()]);
});

test("each event that the hub sends has its section", () => {
  expect(headingsUnder("## 7. What the hub sends")).toEqual(["welcome", "deliver", "revoked", "drain", "refused"]);
});

/** What the page says of limits, with the constants that it says it of: change both together. */
test.each([
  [MAX_NAME_LENGTH === 128, "names of 1 to 128 characters"],
  [MAX_ID_LENGTH === 128 && MAX_EVENT_LENGTH === 128 && MAX_GROUP_LENGTH === 128, "are 1 to 128 printable characters"],
  [MAX_HEADERS === 32 && MAX_HEADER_LENGTH === 1024, "at most 32, each at most 1024 characters"],
  [MAX_REASON_LENGTH === 1024, "at most 1024 characters; kept with a dead letter"],
  [MAX_DELAY_MS === 365 * DAY_MS, "0 to a year"],
  [MIN_EXTENSION_MS === 1000 && MAX_EXTENSION_MS === 3_600_000, "1000 to 3600000"],
  [MAX_DELAY_MS === 365 * DAY_MS, "at most a year ahead"],
  [MAX_REDRIVES_PER_SECOND === 100_000, "1 to 100000"],
  [DEAD_REASONS.join() === "refused,attempts,expired,overflow", "`refused`, `attempts`, `expired`, `overflow`"],
  [SETTINGS.maxEndings.default === 200_000, "the last 200000 are known, where it is not set otherwise"],
  [SETTINGS.leaseMs.default === 30_000, "`leaseMs` (30 s where it is not set otherwise)"],
  [SETTINGS.graceMs.default === 5_000, "grace (5 s where it is not set otherwise)"],
  [SETTINGS.dedupWindowMs.default === 120_000, "(2 minutes where it is not set otherwise"],
])("%s: %s", (holds, says) => {
  expect(holds).toBe(true);
  expect(PAGE.replaceAll(/\s+/g, " ")).toContain(says);
});

test.each([
  ["`maxPayloadBytes`", SETTINGS.maxPayloadBytes.default === MIB, "1 MiB"],
  ["`maxBatch`", SETTINGS.maxBatch.default === 1000, "1000 messages or deliveries in a request"],
  ["`maxPacketBytes`", SETTINGS.maxPacketBytes.default === 4 * MIB, "4 MiB"],
  ["`maxPrefetch`", SETTINGS.maxPrefetch.default === 10_000, "10000"],
  ["prefetch where none is named", SETTINGS.prefetch.default === 100, "100"],
  ["bytes out to one consumer of one queue", SETTINGS.prefetchBytes.default === 4 * MIB, "4 MiB"],
  ["queues that one connection consumes", SETTINGS.maxConsumers.default === 100, "100"],
  ["connections of one client", SETTINGS.maxConnectionsPerClient.default === 100, "100"],
  ["queues, inboxes and rooms of a hub", SETTINGS.maxQueues.default === 100_000, "100000"],
  ["messages in one queue", SETTINGS.maxQueueMessages.default === 1_000_000, "1000000"],
  ["bytes in one queue", SETTINGS.maxQueueBytes.default === 1024 * MIB, "1 GiB"],
  ["dead letters of one queue", SETTINGS.maxDeadLetters.default === 100_000, "100000"],
  ["queues and rooms that one client makes", SETTINGS.maxQueuesPerClient.default === 10_000, "10000"],
  ["messages that one client publishes in a second", SETTINGS.maxPublishPerSecond.default === 0, "no limit"],
  ["free space of the store's disk", SETTINGS.minFreeBytes.default === 64 * MIB, "64 MiB"],
  ["messages that are gone", SETTINGS.maxEndings.default === 200_000, "200000"],
  ["bytes of publishes that wait to be stored", SETTINGS.maxUnconfirmedBytes.default === 64 * MIB, "64 MiB"],
  ["requests of one connection that wait", SETTINGS.maxInFlight.default === 10_000, "10000"],
  ["bytes that wait for a connection to read", SETTINGS.maxBufferedBytes.default === 64 * MIB, "64 MiB"],
  [
    "a room's history",
    SETTINGS.historyMessages.default === 10_000 && SETTINGS.historyMs.default === DAY_MS,
    "10000 messages, 24 hours",
  ],
  [
    "dedup window",
    SETTINGS.dedupWindowMs.default === 120_000 && SETTINGS.dedupMaxIds.default === 1_000_000,
    "2 minutes, or the last million ids of the hub if that is less",
  ],
])("the limit %s is the setting's default", (limit, holds, says) => {
  const row = sectionOf("## 11. Limits")
    .split("\n")
    .find((line) => line.startsWith(`| ${limit}`));

  expect(holds).toBe(true);
  expect(row?.split("|")[2]?.trim()).toBe(says);
});

function sectionOf(heading: string): string {
  return PAGE.split(`\n${heading}\n`)[1]?.split(/\n## /)[0] ?? "";
}

function headingsUnder(heading: string): string[] {
  return [...sectionOf(heading).matchAll(/^### (\S+)$/gm)].map(([, name = ""]) => name);
}
