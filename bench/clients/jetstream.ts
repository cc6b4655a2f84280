import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { Link, Target } from "./link";

/** The client asks for at least this many messages at a time, also where fewer are in flight: its default. */
const LEAST_ASKED = 100;

/** The part that is used: the client's own type is declared where this project's module resolution does not look. */
interface Connection {
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** A work queue in a file, with a durable consumer that acks each message. */
export async function open({ url, queue, window }: Target, handle: (order: unknown) => void): Promise<Link> {
  const connected: unknown = await connect({ servers: url });
  const connection = connected as Connection;
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: queue,
    subjects: [queue],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
  });
  const credit = Math.max(LEAST_ASKED, window * 2);
  await manager.consumers.add(queue, {
    durable_name: "bench",
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: credit,
  });
  const client = jetstream(connection);
  const consumer = await client.consumers.get(queue, "bench");
  const messages = await consumer.consume({
    max_messages: credit,
    callback: (message) => {
      handle(message.json());
      message.ack();
    },
  });
  return {
    publish: (order) => client.publish(queue, JSON.stringify(order)),
    close: async () => {
      await messages.close();
      await connection.flush();
      await manager.streams.delete(queue);
      await connection.close();
    },
  };
}
