/** An MQTT broker made of aedes, as its documentation has it. */
import { createServer, type AddressInfo } from "node:net";
import { Aedes } from "aedes";
import { answerBench, usage } from "./child";

async function main(): Promise<void> {
  const broker = await Aedes.createBroker();
  const server = createServer({ noDelay: true }, (socket) => broker.handle(socket));
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo;
    answerBench(
      { url: `mqtt://127.0.0.1:${port}` },
      () => Promise.resolve(usage()),
      () => new Promise((resolve) => broker.close(() => server.close(() => resolve()))),
    );
  });
}

void main();
