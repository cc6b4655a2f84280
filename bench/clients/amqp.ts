import { connect } from "amqplib";
import type { OpenLink } from "./link";

export const classic = openQueue("classic");
export const quorum = openQueue("quorum");

/** A durable queue, persistent messages, confirms, and a connection for each direction, as RabbitMQ advises. */
function openQueue(type: "classic" | "quorum"): OpenLink {
  return async ({ url, queue, window }, handle) => {
    const outbound = await connect(url, { noDelay: true });
    const inbound = await connect(url, { noDelay: true });
    const publisher = await outbound.createConfirmChannel();
    const consumer = await inbound.createChannel();
    await consumer.assertQueue(queue, { durable: true, arguments: { "x-queue-type": type } });
    // The protocol's limit is 65,535; a quorum queue of this server takes up to 2,000.
    await consumer.prefetch(Math.min(window * 2, 2_000));
    await consumer.consume(queue, (message) => {
      if (message === null) return;
      handle(JSON.parse(message.content.toString()));
      consumer.ack(message);
    });
    return {
      publish: (order) =>
        new Promise<void>((resolve, reject) => {
          const content = Buffer.from(JSON.stringify(order));
          publisher.sendToQueue(queue, content, { persistent: true }, (error: Error | null) => {
            if (error) reject(error);
            else resolve();
          });
        }),
      close: async () => {
        await publisher.close();
        await consumer.deleteQueue(queue);
        await inbound.close();
        await outbound.close();
      },
    };
  };
}
