import type { BrokenPromise } from "../mutant";
import { CONSUME, PROMISES, REDELIVERY, REQUESTS } from "./suites";

export const SILENCE: BrokenPromise = {
  promise: "Silence is not an ack",
  mutants: [
    {
      name: "lapsed-lease-counts-as-ack",
      file: "src/queue/settlement.ts",
      find: 'return settleNack(message, { reason: "its lease ran out" }, policy, now, random);',
      replace: 'return { action: "ack" };',
      caughtBy: { file: PROMISES, test: "on the memory store 6. Silence is not an ack" },
    },
    {
      name: "callback-counts-as-ack",
      file: "src/transport/connection.ts",
      find: "this.bundle.add(text);",
      replace:
        'this.socket.emit("deliver", JSON.parse(text.json), () => {\n' +
        "          const refs = deliveries.map(({ message: { id }, attempt }) => ({ id, attempt }));\n" +
        "          void this.broker.ack(this.session, nameOf(queue), refs);\n        });",
      caughtBy: { file: REQUESTS, test: "delivers without a callback" },
    },
    {
      name: "client-acks-before-the-handler-is-through",
      file: "clients/hub-client/consumer.ts",
      find: "    this.running++;\n",
      replace: '    this.running++;\n    this.parts.settler.settle(delivery, "ack");\n',
      caughtBy: { file: CONSUME, test: "acks nothing whose handler is not through" },
    },
    {
      name: "client-acks-what-its-handler-threw-at",
      file: "clients/hub-client/consumer.ts",
      find: "(error: unknown) => this.finishLater(delivery, nackFor(error)),",
      replace: "() => this.finishLater(delivery, undefined),",
      caughtBy: {
        file: "__tests__/clients/nack.test.ts",
        test: "gives back what its handler throws at, with the reason",
      },
      hangs: "the nack never comes",
    },
    {
      name: "client-acks-lost-with-the-connection",
      file: "clients/hub-client/settler.ts",
      find: 'if (delivery.state === "settling") this.enqueue(delivery);',
      replace: "",
      caughtBy: { file: REDELIVERY, test: "sends an unanswered nack again, and does not handle the same attempt" },
    },
  ],
};
