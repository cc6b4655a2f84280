/**
 * Every setting of the hub, in one table: its name in the environment, unit, default, what is allowed, and what it is
 * for. `.env.sample` is printed from it (a test holds the two equal), and the hub's flags are made of it.
 */
import { isNamespace } from "./protocol/names";
import { parseRoute, routeTable, type Route } from "./queue/routes";
import { count, DAY, GIB, HOUR, KIB, MIB, MINUTE, readList, SECOND, setting, size, text, time } from "./setting";

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** RFC 7518, 3.2: a key for HS256 has at least the size of its hash. */
const MIN_SECRET_BYTES = 32;

export const SETTINGS = {
  port: count("PORT", 3000, 0, 65_535, "TCP port; 0 takes any free one."),
  host: text(
    "HOST",
    "127.0.0.1",
    "an address or a name of this machine",
    "Address to listen on. Without WAYBILL_AUTH_SECRET only a loopback address is accepted.",
  ),
  store: text(
    "WAYBILL_STORE",
    "sqlite:data/waybill.db",
    "sqlite:<path of a file>, or memory:",
    "Where messages are kept: sqlite:<file>, or memory: for trying things out (nothing survives the process).",
    /^(sqlite:.+|memory:)$/,
  ),
  namespaces: setting<readonly string[]>({
    env: "WAYBILL_NAMESPACES",
    default: ["/", "/caps"],
    allowed: "a comma-separated list of namespaces such as /,/caps",
    about: "Namespaces that clients may connect to; /caps speaks the parcel dialect as well.",
    read: (given) => readList(given, isNamespace),
  }),
  routes: setting<readonly Route[]>({
    env: "WAYBILL_ROUTES",
    default: [],
    allowed: 'routes such as "/orders:new -> /shipping:pack [order-paid]", separated by ";"',
    about:
      "What is published here also goes there. From a queue, @client or room:name (* stands for any run of characters) to another, optionally only some events. Their namespaces have to be in WAYBILL_NAMESPACES, for the example below /,/caps,/orders,/shipping.",
    read: readRoutes,
  }),
  queuesFile: setting<string>({
    env: "WAYBILL_QUEUES_FILE",
    default: "",
    allowed: "the path of a JSON file",
    about:
      "Rules for queues by their names, such as other leases, retries, limits and overflow: see examples/queues.json. Read again at SIGHUP; `waybill config check` proves it.",
    read: (given) => (typeof given === "string" ? given.trim() : undefined),
  }),
  authSecret: setting<string>({
    env: "WAYBILL_AUTH_SECRET",
    default: "",
    secret: true,
    allowed: `at least ${MIN_SECRET_BYTES} bytes`,
    about:
      "Signs and proves tokens (HS256). Without it anyone on this machine may connect as anyone, and nobody from elsewhere.",
    read: (given) =>
      typeof given === "string" && (given === "" || Buffer.byteLength(given) >= MIN_SECRET_BYTES) ? given : undefined,
  }),
  origins: setting<readonly string[]>({
    env: "WAYBILL_ORIGINS",
    default: [],
    allowed: "a comma-separated list of origins such as https://shop.example, or *",
    about:
      "Web pages, by origin, whose scripts may connect besides those served from this machine. Other programs send no origin and are not affected.",
    read: (given) => readList(given, (origin) => origin === "*" || /^https?:\/\/[^/\s]+$/.test(origin)),
  }),
  logLevel: setting<LogLevel>({
    env: "LOG_LEVEL",
    default: "info",
    allowed: LOG_LEVELS.join(", "),
    about: "How much is logged.",
    read: (given) => LOG_LEVELS.find((level) => level === given),
  }),

  leaseMs: time(
    "WAYBILL_LEASE_MS",
    30 * SECOND,
    100,
    HOUR,
    "How long a consumer has to settle a delivery, or to ask for more time. Long enough for ordinary work, short enough that a stuck consumer holds nothing up for long.",
  ),
  graceMs: time(
    "WAYBILL_GRACE_MS",
    5 * SECOND,
    0,
    10 * MINUTE,
    "How long the deliveries of a dropped connection wait for its client to come back. A reconnect takes 1 to 5 s.",
  ),
  maxAttempts: count(
    "WAYBILL_MAX_ATTEMPTS",
    10,
    1,
    1000,
    "Failures after which a message is a dead letter. With the backoff below: about five minutes of trying.",
  ),
  backoffMs: time(
    "WAYBILL_BACKOFF_MS",
    SECOND,
    0,
    HOUR,
    "Wait before the second attempt; doubled for each further one.",
  ),
  backoffMaxMs: time("WAYBILL_BACKOFF_MAX_MS", 2 * MINUTE, 0, DAY, "The longest wait between attempts."),
  tickMs: time(
    "WAYBILL_TICK_MS",
    250,
    10,
    MINUTE,
    "How often the hub looks for what has become due or has run out: the precision of delays and leases.",
  ),
  drainMs: time(
    "WAYBILL_DRAIN_MS",
    10 * SECOND,
    0,
    10 * MINUTE,
    "How long a hub that goes down in order waits for what is out to be settled. Below the 30 s after which orchestrators kill.",
  ),
  pingMs: time(
    "WAYBILL_PING_MS",
    10 * SECOND,
    100,
    5 * MINUTE,
    "How often connections are pinged, and how long an answer may take: a dead connection is noticed after twice this.",
  ),

  maxPayloadBytes: size(
    "WAYBILL_MAX_PAYLOAD_BYTES",
    MIB,
    KIB,
    64 * MIB,
    "One message's payload as JSON. Messages are for work and events; files belong elsewhere, their address in the message.",
  ),
  maxPacketBytes: size(
    "WAYBILL_MAX_PACKET_BYTES",
    4 * MIB,
    64 * KIB,
    256 * MIB,
    "One Socket.IO packet from a client; a longer one ends its connection. Room for a few of the largest messages.",
  ),
  maxBatch: count(
    "WAYBILL_MAX_BATCH",
    1000,
    1,
    10_000,
    "Messages in one publish, deliveries in one ack. More gains no speed and delays others.",
  ),
  prefetch: count(
    "WAYBILL_PREFETCH",
    100,
    1,
    100_000,
    "Deliveries that a consumer has out at once when it names no number.",
  ),
  maxPrefetch: count("WAYBILL_MAX_PREFETCH", 10_000, 1, 100_000, "The most that a consumer may name."),
  prefetchBytes: size(
    "WAYBILL_PREFETCH_BYTES",
    4 * MIB,
    KIB,
    256 * MIB,
    "Deliveries that a consumer has out of one queue at once, in memory: what a stuck one costs.",
  ),
  maxUnconfirmedBytes: size(
    "WAYBILL_MAX_UNCONFIRMED_BYTES",
    64 * MIB,
    KIB,
    4096 * MIB,
    "Publishes of all clients that wait to be stored, counted as in a queue; past it they are refused as RATE_LIMITED. About a second of a disk's work.",
  ),
  maxBufferedBytes: size(
    "WAYBILL_MAX_BUFFERED_BYTES",
    64 * MIB,
    64 * KIB,
    4096 * MIB,
    "Bytes that wait for one connection to read them; past half of it deliveries wait for their turn, past all of it the connection is closed, since it does not read.",
  ),
  maxInFlight: count(
    "WAYBILL_MAX_IN_FLIGHT",
    10_000,
    1,
    1_000_000,
    "Requests of one connection that wait for their answer; past it they are refused as RATE_LIMITED. More than any client sends without waiting.",
  ),
  maxConsumers: count("WAYBILL_MAX_CONSUMERS", 100, 1, 100_000, "Queues that one connection may consume."),
  maxConnectionsPerClient: count(
    "WAYBILL_MAX_CONNECTIONS_PER_CLIENT",
    100,
    1,
    100_000,
    "Connections of one client: workers of one name, but no runaway loop.",
  ),
  maxQueues: count(
    "WAYBILL_MAX_QUEUES",
    100_000,
    1,
    10_000_000,
    "Queues, inboxes and rooms that may exist; each costs some memory for good.",
  ),
  maxQueueMessages: count(
    "WAYBILL_MAX_QUEUE_MESSAGES",
    1_000_000,
    1,
    1_000_000_000,
    "Messages in one queue; past it publishes to it are refused as QUEUE_FULL.",
  ),
  maxQueueBytes: size(
    "WAYBILL_MAX_QUEUE_BYTES",
    GIB,
    MIB,
    1024 * GIB,
    "The same in bytes of payload and headers, and 256 for each message: what one queue may take of the disk.",
  ),
  maxDeadLetters: count(
    "WAYBILL_MAX_DEAD_LETTERS",
    100_000,
    0,
    1_000_000_000,
    "Dead letters of one queue that are kept; past it those that died first are purged, and counted.",
  ),
  maxQueuesPerClient: count(
    "WAYBILL_MAX_QUEUES_PER_CLIENT",
    10_000,
    1,
    10_000_000,
    "Queues and rooms that one client may make, so that no loop of one takes those of all. Those whom it invites to a room bring their own inbox.",
  ),
  maxPublishPerSecond: count(
    "WAYBILL_MAX_PUBLISH_PER_SECOND",
    0,
    0,
    10_000_000,
    "Messages that one client may publish a second, and at once after a second's rest; past it RATE_LIMITED says how long to wait. 0: as many as it likes.",
  ),
  minFreeBytes: size(
    "WAYBILL_MIN_FREE_BYTES",
    64 * MIB,
    0,
    1024 * GIB,
    "Space on the store's disk below which publishes are refused as DISK_FULL, so that acks, reads and purges can go on.",
  ),
  maxEndings: count(
    "WAYBILL_MAX_ENDINGS",
    200_000,
    0,
    100_000_000,
    "Messages acked, expired or purged of which the hub still knows how they ended, for `waybill why`: the last ones.",
  ),
  dedupWindowMs: time(
    "WAYBILL_DEDUP_WINDOW_MS",
    2 * MINUTE,
    SECOND,
    7 * DAY,
    "How long an id is remembered, so that the same publish sent again is stored once. Longer than any client tries again by itself.",
  ),
  dedupMaxIds: count(
    "WAYBILL_DEDUP_MAX_IDS",
    1_000_000,
    1000,
    100_000_000,
    "The most ids that are remembered; under more load than that the window is shorter.",
  ),
  residentBytes: size(
    "WAYBILL_RESIDENT_BYTES",
    64 * MIB,
    MIB,
    4096 * MIB,
    "Ready messages kept in memory; the rest of a backlog is read from the disk when its turn comes.",
  ),
  historyMessages: count(
    "WAYBILL_HISTORY_MESSAGES",
    10_000,
    0,
    10_000_000,
    "A room's messages that are kept for those who join later and ask for its history.",
  ),
  historyMs: time("WAYBILL_HISTORY_MS", DAY, 0, 365 * DAY, "How long a room's messages are kept for that."),
} as const;

export type SettingName = keyof typeof SETTINGS;
export type Settings = { readonly [Name in SettingName]: (typeof SETTINGS)[Name]["default"] };

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

function readRoutes(given: unknown): readonly Route[] | undefined {
  const texts = Array.isArray(given) ? given : typeof given === "string" ? given.split(";") : undefined;
  if (texts === undefined || !texts.every((each) => typeof each === "string")) return undefined;
  const routes = texts.filter((route) => route.trim() !== "").map(parseRoute);
  routeTable(routes);
  return routes;
}
