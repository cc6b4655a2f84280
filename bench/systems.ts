/** What is measured side by side: how each is started, which client it is used through, and what its confirmation means. */
import type { OpenLink } from "./clients/link";
import * as aedes from "./servers/aedes";
import * as bare from "./servers/bare";
import * as mosquitto from "./servers/mosquitto";
import * as nats from "./servers/nats";
import * as rabbitmq from "./servers/rabbitmq";
import * as redis from "./servers/redis";
import type { Server } from "./servers/server";
import * as waybill from "./servers/waybill";

export interface System {
  readonly title: string;
  /** Systems that name the same server share one. */
  readonly server: ServerName;
  /** The npm package of the client that is used. */
  readonly package: string;
  /** What has happened to a message when its publish is confirmed. */
  readonly durability: string;
  /** Neither a queue nor durable: there to compare with, and no peer. */
  readonly floor?: true;
  /** Loads the client in the process that uses it, and nobody else's. */
  readonly client: () => Promise<OpenLink>;
}

/** Each starts its server with a folder of its own, and throws `Missing` where it is not to be had. */
export const SERVERS = {
  waybill: waybill.start,
  bare: bare.start,
  mosquitto: mosquitto.start,
  rabbitmq: rabbitmq.start,
  nats: nats.start,
  "nats-sync": nats.startSynced,
  redis: redis.start,
  aedes: aedes.start,
} satisfies Record<string, (folder: string) => Promise<Server>>;
export type ServerName = keyof typeof SERVERS;

const NATS_CLIENT = async (): Promise<OpenLink> => (await import("./clients/jetstream")).open;
const MQTT_CLIENT = async (): Promise<OpenLink> => (await import("./clients/mqtt")).open;

export const SYSTEMS = {
  waybill: {
    title: "Waybill",
    server: "waybill",
    package: "waybill",
    durability: "fsynced to SQLite",
    client: async () => (await import("./clients/waybill")).open,
  },
  echo: {
    title: "Socket.IO, emit with ack",
    server: "bare",
    package: "socket.io-client",
    durability: "none, and nothing is delivered",
    floor: true,
    client: async () => (await import("./clients/bare")).echo,
  },
  relay: {
    title: "Socket.IO, relayed",
    server: "bare",
    package: "socket.io-client",
    durability: "none",
    floor: true,
    client: async () => (await import("./clients/bare")).relay,
  },
  "relay-acked": {
    title: "Socket.IO, relayed and acked",
    server: "bare",
    package: "socket.io-client",
    durability: "none",
    floor: true,
    client: async () => (await import("./clients/bare")).relayAcked,
  },
  mosquitto: {
    title: "Mosquitto, QoS 1",
    server: "mosquitto",
    package: "mqtt",
    durability: "in memory; saved every 30 min and at exit",
    client: MQTT_CLIENT,
  },
  "rabbitmq-classic": {
    title: "RabbitMQ, classic queue",
    server: "rabbitmq",
    package: "amqplib",
    durability: "fsynced, or acked before that",
    client: async () => (await import("./clients/amqp")).classic,
  },
  "rabbitmq-quorum": {
    title: "RabbitMQ, quorum queue",
    server: "rabbitmq",
    package: "amqplib",
    durability: "fsynced to the log of the one node",
    client: async () => (await import("./clients/amqp")).quorum,
  },
  nats: {
    title: "NATS JetStream",
    server: "nats",
    package: "@nats-io/jetstream",
    durability: "written to a file; fsynced every 2 min",
    client: NATS_CLIENT,
  },
  "nats-sync": {
    title: "NATS JetStream, sync always",
    server: "nats-sync",
    package: "@nats-io/jetstream",
    durability: "fsynced to a file",
    client: NATS_CLIENT,
  },
  redis: {
    title: "Redis Streams",
    server: "redis",
    package: "ioredis",
    durability: "fsynced (appendfsync always)",
    client: async () => (await import("./clients/streams")).open,
  },
  bullmq: {
    title: "BullMQ",
    server: "redis",
    package: "bullmq",
    durability: "fsynced (appendfsync always)",
    client: async () => (await import("./clients/bullmq")).open,
  },
  aedes: {
    title: "aedes, QoS 1",
    server: "aedes",
    package: "mqtt",
    durability: "in memory",
    client: MQTT_CLIENT,
  },
  "waybill-stock": {
    title: "Waybill, published to by socket.io-client",
    server: "waybill",
    package: "socket.io-client",
    durability: "fsynced to SQLite",
    floor: true,
    client: async () => (await import("./clients/stock")).open,
  },
} satisfies Record<string, System>;
export type SystemName = keyof typeof SYSTEMS;

export const SYSTEM_NAMES = Object.keys(SYSTEMS) as SystemName[];
/** Those that do the same work. */
export const SIDE_BY_SIDE = SYSTEM_NAMES.filter((name) => name !== "waybill-stock");
